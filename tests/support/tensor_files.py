"""Tensor files as strangers could make them: with another content, or another header."""

import json
import math
import os
import struct
import zlib

from ponytaco.io.tensor_file.file import open_tensor_file, write_tensor_file


def content_of(path):
    with open_tensor_file(path) as file:
        content = file.content()
        file.read(verify=True)
    return content


def edit(path, change):
    """Change the content, and write the file with right checksums."""
    with open_tensor_file(path) as file:
        metadata = {k: v for k, v in file.metadata.items() if k != "content"}
    content = content_of(path)
    change(content)
    write_tensor_file(path, content, metadata)


def parts_of(path):
    """A file's header, as a table, and its tensors' bytes."""
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:start]), content[start:]


def put_together(path, header, data=b"", n_bytes=None):
    """Write a file around a header, a table or text."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    start = (len(text) if n_bytes is None else n_bytes).to_bytes(8, "little") + text
    path.write_bytes(start + data)


def seal(path):
    """Write the right checksum of a header into its file."""
    with path.open("rb+") as file:
        start = file.read(8)
        start += file.read(int.from_bytes(start, "little"))
        file.seek(json.loads(start[8:])["checksums"]["data_offsets"][0], 1)
        file.write(struct.pack("<I", zlib.crc32(start)))


def edit_header(path, change):
    """Change the header, and its checksum with it."""
    header, data = parts_of(path)
    change(header)
    put_together(path, header, data)
    if "checksums" in header:
        seal(path)


def stretch(path, name, shape):
    """Give a tensor another shape, of bytes that are a hole: it takes no room on the disk."""
    header, data = parts_of(path)
    start, end = header[name]["data_offsets"]
    for entry in header.values():
        offsets = entry.get("data_offsets", (-1,))
        if offsets[0] >= end:
            entry["data_offsets"] = [at + math.prod(shape) - (end - start) for at in offsets]
    header[name].update(shape=shape, data_offsets=[start, start + math.prod(shape)])
    put_together(path, header, data[:start])
    with path.open("ab") as file:
        os.truncate(path, path.stat().st_size + math.prod(shape))
        file.seek(0, os.SEEK_END)
        file.write(data[end:])
    seal(path)
