"""Writing soundtools archives: audio and label.json for each clip."""

from __future__ import annotations

import contextlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from data_prep.audio import Waveform, wav_bytes
from data_prep.soundtools import LABEL_NAME, forget_headers
from ponytaco.io.atomic import atomic_write


class ArchiveWriter:
    """Writer of a soundtools tar: `with ArchiveWriter(path) as archive: archive.add(...)`.

    The write is atomic: the archive takes its place when it is complete, and an error leaves
    nothing behind. The same clips always give the same bytes.

    Args:
        path: the tar to write; replaced if it exists.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._refs: set[str] = set()

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            temporary = stack.enter_context(atomic_write(self.path))
            tar = tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT)
            self._tar = stack.enter_context(tar)
            self._stack = stack.pop_all()
        return self

    def add(self, ref: str, waveform: Waveform, sample_rate: int, label: dict) -> None:
        """Append one clip.

        Args:
            ref: name of the clip, unique in the archive and valid as a folder name.
            waveform: (T_wav,) float32 in -1..1; samples outside are clipped.
            sample_rate: Hz.
            label: content of label.json, from `make_label` for instance.

        Raises:
            ValueError: if the ref is invalid or was added before.
        """
        text = json.dumps(label, ensure_ascii=False, allow_nan=False)
        sound = wav_bytes(waveform, sample_rate)
        self.add_files(ref, {"audio.wav": sound, LABEL_NAME: text.encode("utf-8", "replace")})

    def add_files(self, ref: str, files: Mapping[str, bytes]) -> None:
        """Append one clip as it is.

        Args:
            ref: as in ``add``.
            files: name -> content of its audio and its label.

        Raises:
            ValueError: as in ``add``.
        """
        if not ref or ref in {".", ".."} or "/" in ref or "\\" in ref or "\0" in ref:
            raise ValueError(f"{ref!r} cannot name a clip")
        if ref in self._refs:
            raise ValueError(f"the clip {ref!r} was added before")
        self._refs.add(ref)
        for name, content in files.items():
            self._add_file(f"{ref}/{name}", content)

    def _add_file(self, name: str, data: bytes) -> None:
        # A new TarInfo has time 0 and owner 0.
        info = tarfile.TarInfo(name)
        info.size = len(data)
        self._tar.addfile(info, io.BytesIO(data))
        forget_headers(self._tar)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)
