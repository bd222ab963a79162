"""Files: atomic writes, downloads, strangers' torch files, and a checkpoint store for Drive."""
