"""The alignment movie: a run's validation pictures as an animated GIF."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from ponytaco.errors import PonytacoError
from ponytaco.io.atomic import atomic_write
from ponytaco.runs.folder import Run

# A long run has hundreds of pictures; with this many the file is small enough to share.
_MOST_FRAMES = 80
_WIDTH = 800
_FRAME_MS, _LAST_FRAME_MS = 250, 3000


class MovieError(PonytacoError):
    """There are no usable pictures, or the movie cannot be written."""


def make_movie(run: Run, out: Path | None = None, width: int = _WIDTH) -> Path:
    """Write the validation pictures of a run as a GIF, one frame per validation, oldest first.

    Args:
        run: the run.
        out: path of the GIF; by default ``alignment.gif`` in the run's folder.
        width: width of the movie in pixels.

    Returns:
        The path of the GIF.

    Raises:
        MovieError: if there are no pictures yet, one is broken, the movie cannot be written, or
            its name does not end in ``.gif``.
        RunError: if the folder does not hold a run.
    """
    out = out or run.folder / "alignment.gif"
    if out.suffix.lower() != ".gif":
        gif = out.with_suffix(".gif")
        raise MovieError(
            f"The movie is a GIF and cannot be written as {out}. Write it to {gif}; ffmpeg can "
            f"convert that: ffmpeg -i {gif} {out}"
        )
    pictures = select_evenly(sorted(run.alignments.glob("step-*.png")), _MOST_FRAMES)
    if not pictures:
        if not run.alignments.is_dir():
            run.voices()
        raise MovieError(
            f"There are no pictures in {run.alignments} yet: each validation adds one. "
            "Train a little longer."
        )
    size = _frame_size(pictures[-1], width)
    frames = [_frame(path, size) for path in pictures]
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
        raise MovieError(
            f"Cannot write the movie {out}: {error.strerror or error}. Is the disk full?"
        ) from error
    return out


def select_evenly(pictures: list[Path], most: int) -> list[Path]:
    """Select at most ``most`` pictures at even distances, with the first and the last."""
    if len(pictures) <= most:
        return pictures
    return [pictures[round(i * (len(pictures) - 1) / (most - 1))] for i in range(most)]


def _frame_size(path: Path, width: int) -> tuple[int, int]:
    with _opened(path) as image:
        return width, max(1, round(image.height * width / image.width))


def _frame(path: Path, size: tuple[int, int]) -> Image.Image:
    with _opened(path) as image:
        small = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    # Each frame has its own palette: a common one has too few shades for mels and attention.
    return small.quantize(64, dither=Image.Dither.NONE)


def _opened(path: Path) -> Image.Image:
    try:
        image = Image.open(path)
        image.load()
    except (OSError, Image.DecompressionBombError) as error:
        raise MovieError(
            f"The picture {path} is broken ({error}). Delete it and try again."
        ) from error
    return image
