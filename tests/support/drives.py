"""A storage on a Drive that is a folder, and archives in it."""

from ponytaco.notebook.storage import Storage


def touch(path):
    """Make an archive, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"tar")
    return path


def on_drive(folder):
    root = folder / "drive" / "MyDrive"
    root.mkdir(parents=True)
    return Storage(root=root, disk=folder, drive_mount=folder / "drive")
