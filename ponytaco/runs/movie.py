"""The alignment movie: a run's validation pictures as an animated GIF."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from ponytaco.errors import PonytacoError, disk_problem
from ponytaco.formatting import and_more
from ponytaco.io.atomic import atomic_write
from ponytaco.io.names import as_argument
from ponytaco.io.strangers import open_regular
from ponytaco.printable import say
from ponytaco.runs.folder import Run

# A long run has hundreds of pictures; with this many the file is small enough to share.
_MOST_FRAMES = 80
_WIDTH = 800
_MOST_NAMED = 3
_FRAME_MS, _LAST_FRAME_MS = 250, 3000


class MovieError(PonytacoError):
    """There are no usable pictures, or the movie cannot be written."""


def make_movie(
    run: Run,
    out: Path | None = None,
    width: int = _WIDTH,
    log: Callable[[str], None] = say,
) -> Path:
    """Write the validation pictures of a run as a GIF, one frame per validation, oldest first.

    Pictures that are empty or broken, as a full disk leaves them, are left out.

    Args:
        run: the run.
        out: path of the GIF; by default ``alignment.gif`` in the run's folder.
        width: width of the movie in pixels.
        log: takes a message that names the pictures left out.

    Returns:
        The path of the GIF.

    Raises:
        MovieError: if there are no usable pictures yet, the movie cannot be written, or its name
            does not end in ``.gif``.
        RunError: if the folder does not hold a run.
    """
    out = out or run.folder / "alignment.gif"
    if out.suffix.lower() != ".gif":
        gif = out.with_suffix(".gif")
        words = ["ffmpeg", "-i", as_argument(gif), as_argument(out)]
        raise MovieError(
            f"The movie is a GIF and cannot be written as {out}. Write it to {gif}; ffmpeg can "
            f"convert that: {shlex.join(words)}"
        )
    pictures = select_evenly(sorted(run.alignments.glob("step-*.png")), _MOST_FRAMES)
    if not pictures:
        if not run.alignments.is_dir():
            run.voices()
        raise MovieError(
            f"There are no pictures in {run.alignments} yet: each validation adds one. "
            "Train a little longer."
        )
    frames, broken = _frames(pictures, width)
    if broken:
        log(f"Left out of the movie: {and_more(broken, _MOST_NAMED)}.")
    if not frames:
        raise MovieError(f"No picture in {run.alignments} can be used. Train a little longer.")
    try:
        with atomic_write(out) as temporary:
            frames[0].save(
                temporary,
                format="GIF",
                save_all=True,
                append_images=frames[1:],
                duration=[_FRAME_MS] * (len(frames) - 1) + [_LAST_FRAME_MS],
                loop=0,
            )
    except OSError as error:
        raise MovieError(f"Cannot write the movie {out}: {disk_problem(error)}") from error
    return out


def select_evenly(pictures: list[Path], most: int) -> list[Path]:
    """Select at most ``most`` pictures at even distances, with the first and the last."""
    if len(pictures) <= most:
        return pictures
    return [pictures[round(i * (len(pictures) - 1) / (most - 1))] for i in range(most)]


def _frames(paths: list[Path], width: int) -> tuple[list[Image.Image], list[str]]:
    """Return the frames, oldest first, and the names of broken pictures with the reasons."""
    frames: list[Image.Image] = []
    broken: list[str] = []
    for path in reversed(paths):  # the newest one decides the size
        try:
            with open_regular(path) as file, Image.open(file) as image:
                size = width, max(1, round(image.height * width / image.width))
                small = image.convert("RGB").resize(
                    frames[0].size if frames else size, Image.Resampling.LANCZOS
                )
        # Pillow raises a SyntaxError or a ValueError for some broken files.
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            is_empty = isinstance(error, OSError) and path.is_file() and not path.stat().st_size
            broken.insert(0, f"{path.name} ({'empty' if is_empty else error})")
            continue
        # Each frame has its own palette: a common one has too few shades for mels and attention.
        frames.insert(0, small.quantize(64, dither=Image.Dither.NONE))
    return frames, broken
