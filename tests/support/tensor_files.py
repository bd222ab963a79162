"""Tensor files as strangers could make them: with another content, or another header."""

import json
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
    """Write a file around a header, a table or text, with a right checksum if ``data`` has one."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    start = (len(text) if n_bytes is None else n_bytes).to_bytes(8, "little") + text
    if isinstance(header, dict) and "checksums" in header:
        at = header["checksums"]["data_offsets"][0]
        data = data[:at] + struct.pack("<I", zlib.crc32(start)) + data[at + 4 :]
    path.write_bytes(start + data)


def edit_header(path, change):
    """Change the header, and its checksum with it."""
    header, data = parts_of(path)
    change(header)
    put_together(path, header, data)
