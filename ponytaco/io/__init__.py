"""Files: atomic writes, downloads, foreign torch files, and a store for Google Drive."""
