"""Saves that a full, slow, vanishing or interrupted Drive cannot spoil.

In the run's folder ``current_model`` is the newest save and ``best_model`` the best, each a
complete file. ``saves/`` has the one before the newest, and ``pointer.json``, which says what
counts. A save becomes current only when its bytes have been read back; each step of that can be
the last one of a session, and what it leaves is told by its digest.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from ponytaco.errors import PonytacoError
from ponytaco.io.store.files import PASSING_ERRORS, Files, copy, digest, discard, write_small
from ponytaco.io.store.saves import Pointer, Save, describe, parse_name, written_at

T = TypeVar("T")
_R = TypeVar("_R")

_N_KEPT = 2
# Seconds to wait before trying again; shorter where training waits, too.
_DELAYS, _SHORT_DELAYS = (1.0, 5.0, 15.0), (0.1, 1.0)
_PARTIAL = ".partial-"


_WHAT_NEXT = {
    errno.ENOSPC: " Empty Drive's trash, or free some space.",
    errno.EDQUOT: " Empty Drive's trash, or free some space.",
    errno.ENOTCONN: " Drive is not connected any more.",
}


class StoreError(PonytacoError):
    """No save can be used, or one is not what was saved."""


@dataclass(frozen=True)
class Loaded(Generic[T]):
    """What a store had.

    Attributes:
        content: what ``read`` made of the file.
        save: which one it is.
        path: where it was found.
        sentence: what was wrong with newer ones; empty when nothing was.
    """

    content: T
    save: Save
    path: Path
    sentence: str


@dataclass(frozen=True)
class _Task:
    local: Path
    save: Save
    is_best: bool
    number: int
    """Of the call of ``save``, so that an older copy's arrival mends no newer failure."""


class Store(Generic[T]):
    """A run's checkpoints.

    Args:
        folder: the run's folder; on Drive, or anywhere.
        read: reads a file as a whole and raises a PonytacoError when it cannot be used; returns its
            step and its content.
        scratch: a folder of this run alone on a local disk. With one, saves are written there and
            copied beside training; without, they are written into ``folder`` at once.
        log: takes sentences for the user, also from the copying thread.
        files: what changes files.
        delays: seconds to wait before each new attempt.
    """

    def __init__(
        self,
        folder: Path,
        read: Callable[[Path], tuple[int, T]],
        scratch: Path | None = None,
        *,
        log: Callable[[str], None] = print,
        files: Files | None = None,
        delays: tuple[float, ...] | None = None,
    ) -> None:
        self.current = folder / "current_model"
        self.best = folder / "best_model"
        self.saves = folder / "saves"
        self.pointer = self.saves / "pointer.json"
        self.problem = ""
        """Why the last save is not in the folder; empty when it is, or is on its way."""
        self._read = read
        self._scratch = scratch
        self._log = log
        self._files = files or Files()
        if delays is None:
            delays = _SHORT_DELAYS if scratch is None else _DELAYS
        self._delays = delays
        self._known = Pointer()
        self._at_current: Save | None = None
        self._reported = False
        self._n_saves = self._failed_save = 0
        self._queue: list[_Task] = []
        self._running: _Task | None = None
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    # Saving

    def save(self, write: Callable[[Path], None], step: int, is_best: bool = False) -> bool:
        """Write a save, verify it, and see to it that it becomes the current one.

        Nothing that a disk does raises an error here: it is said once, and the last good save
        stays.

        Args:
            write: writes the file that it is given.
            step: of the run.
            is_best: whether it becomes the best one, too.

        Returns:
            Whether it was written and verified; with ``scratch`` its copy is then under way.
        """
        self._n_saves += 1
        try:
            task = self._attempts(lambda: self._write_local(write, step, is_best))
        except (OSError, PonytacoError, RuntimeError) as error:
            self._report(self._n_saves, step, error)
            return False
        if self._scratch is None:
            self._publish(task)
            return not self.problem
        self._enqueue(task)
        return True

    def close(self) -> None:
        """Wait for the copy that is under way."""
        while (thread := self._thread) is not None and thread.is_alive():
            thread.join()

    def _write_local(self, write: Callable[[Path], None], step: int, is_best: bool) -> _Task:
        folder = self._scratch or self.saves
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f"{_PARTIAL}{step}-{os.getpid()}"
        try:
            write(partial)
            with partial.open("rb+") as file:
                self._files.fsync(file)
            written_step, _ = self._read(partial)
            if written_step != step:
                raise OSError(errno.EIO, f"step {written_step} is read where {step} was written")
            save = describe(partial, step)
            local = folder / save.name
            self._files.rename(partial, local)
        except BaseException:
            with contextlib.suppress(OSError):
                discard(self._files, partial)
            raise
        return _Task(local, save, is_best, self._n_saves)

    def _enqueue(self, task: _Task) -> None:
        with self._lock:
            # Only the newest is worth a copy, and the best before it.
            kept = [t for t in self._queue if t.is_best and not task.is_best]
            needed = {t.local for t in (*kept, task, self._running) if t is not None}
            self._queue = [*kept, task]
            for left in self._local_saves():
                if left not in needed:
                    with contextlib.suppress(OSError):
                        discard(self._files, left)
            if self._thread is None or not self._thread.is_alive() or self._running is None:
                self._start_copying()

    def _start_copying(self) -> None:
        """With the lock held. A thread that has taken its last task touches no file any more."""
        self._running = self._queue.pop(0)
        self._thread = threading.Thread(target=self._copy_all, name="copying to Drive", daemon=True)
        self._thread.start()

    def _copy_all(self) -> None:
        while (task := self._running) is not None:
            self._publish(task)
            with self._lock:
                self._running = self._queue.pop(0) if self._queue else None

    def _publish(self, task: _Task) -> None:
        try:
            self._attempts(lambda: self._publish_once(task))
        except (OSError, PonytacoError) as error:
            self._report(task.number, task.save.step, error)
            return
        if task.number < self._failed_save:
            return
        if self._reported:
            self._log(f"Saving works again: step {task.save.step:,} is saved.")
        self._reported, self.problem = False, ""

    def _publish_once(self, task: _Task) -> None:
        """Every line may be the last one, and all of them may be done a second time."""
        save = task.save
        self.saves.mkdir(parents=True, exist_ok=True)
        best_copy = self.saves / f"best-{save.name}"
        if task.is_best and not (self._known.best == save and self.best.is_file()):
            self._copy_verified(task.local, best_copy, save)
        is_new = self._at_current != save
        if is_new:
            self._copy_verified(task.local, self.saves / save.name, save)
        if self._at_current is None:
            self._at_current = self._known_at_current()
        older = tuple(s for s in self._known.saves if s != save and self._is_kept(s))
        known = Pointer((save, *older)[:_N_KEPT], save if task.is_best else self._known.best)
        write_small(self._files, self.pointer, known.to_bytes())
        self._known = known
        if is_new:
            self._make_current(save)
        if best_copy.is_file():
            self._make_best(best_copy)
        self._prune()
        if self._scratch is not None:
            discard(self._files, task.local)

    def _copy_verified(self, source: Path, target: Path, save: Save) -> None:
        if not _is(target, save):
            partial = target.with_name(_PARTIAL + target.name)
            try:
                copy(self._files, source, partial)
                if not _is(partial, save):
                    raise OSError(errno.EIO, "other bytes are read than were written", str(partial))
                self._files.rename(partial, target)
            except OSError:
                with contextlib.suppress(OSError):  # on a full Drive it would be in the way
                    discard(self._files, partial)
                raise

    def _make_current(self, save: Save) -> None:
        if self.current.is_file():
            mine = self._at_current
            aside = mine.name if mine is not None else f"replaced-{digest(self.current)[:16]}"
            self._files.rename(self.current, self.saves / aside)
        self._at_current = None
        self._files.rename(self.saves / save.name, self.current)
        self._at_current = save

    def _known_at_current(self) -> Save | None:
        """Which of the known saves the current one is; None for anything else."""
        return next((save for save in self._known.saves if _is(self.current, save)), None)

    def _is_kept(self, save: Save) -> bool:
        """Whether the folder has it; one that was gone on from may be on the machine only."""
        return save == self._at_current or (self.saves / save.name).is_file()

    def _make_best(self, copy_of_it: Path) -> None:
        # Not over the old one: that would put it into the trash as large as it is.
        old = self.saves / ".old-best"
        if self.best.is_file():
            self._files.rename(self.best, old)
        self._files.rename(copy_of_it, self.best)
        discard(self._files, old)

    def _prune(self) -> None:
        kept = {save.name for save in self._known.saves} | {self.pointer.name}
        for path in list(self.saves.iterdir()):
            if path.name not in kept and path.is_file():
                discard(self._files, path)

    def _attempts(self, work: Callable[[], _R]) -> _R:
        for delay in self._delays:
            try:
                return work()
            except OSError as error:
                if error.errno not in PASSING_ERRORS:
                    raise
            time.sleep(delay)
        return work()

    def _report(self, number: int, step: int, error: Exception) -> None:
        if number < self._failed_save:
            return
        self._failed_save = number
        self.problem = (
            f"Step {step:,} could not be saved in {self.current.parent}: {_reason(error)}"
        )
        if not self._reported:
            self._log(f"{self.problem} Training goes on; the last good save is kept.")
        self._reported = True

    # Loading

    def load(self) -> Loaded[T] | None:
        """The newest save that verifies, or None where there is none.

        Raises:
            StoreError: there are files, but none of them can be used; the text says why.
        """
        pointer = Pointer.read(self.pointer)
        problems: list[str] = []
        if pointer is None and self.saves.is_dir() and any(self.saves.iterdir()):
            problems.append("saves/pointer.json is lost or damaged")
        self._known = pointer or Pointer()
        self._at_current = None
        self._clear()
        for path in self._candidates():
            try:
                step, content = self._verified(path)
                save = describe(path, step)
            except FileNotFoundError:
                problems.append(f"{path.name} is missing")
                continue
            except (OSError, PonytacoError) as error:
                said = _reason(error).rstrip(".")
                problems.append(said if path.name in said else f"{path.name}: {said}")
                continue
            newest = self._known.saves[0] if self._known.saves else None
            self._remember(path, save)
            return Loaded(content, save, path, _fallback(save, newest, problems))
        if any(not problem.endswith("missing") for problem in problems):
            raise StoreError(f"No save can be used: {'; '.join(problems)}.")
        return None

    def _candidates(self) -> list[Path]:
        """Files that may be saves, the newest first."""
        listed = [self.saves / save.name for save in self._known.saves]
        others = [path for path in self._step_files(self.saves) if path not in listed]
        left = [path for path in self._local_saves() if path.parent != self.saves]
        # A save that never arrived: the machine may still have what Drive has not.
        arrived = self._made_current_at() if left else ""
        fresh = [path for path in left if written_at(path) > arrived]
        first = [path for path in listed[:1] if path.is_file()]
        return [*fresh, *first, self.current, *(p for p in listed if p not in first and
                p.is_file()), *others, *(p for p in left if p not in fresh),
                *([self.best] if self.best.is_file() else [])]  # fmt: skip

    def _made_current_at(self) -> str:
        """When the current save was made: before its copy was, and maybe before a newer one."""
        known = self._known_at_current()
        return known.time if known is not None else written_at(self.current)

    def _verified(self, path: Path) -> tuple[int, T]:
        """Read a file, and hold it against what is known of it.

        Raises:
            PonytacoError, OSError: it cannot be used.
        """
        named = parse_name(path.name)
        if named is not None and not digest(path).startswith(named[1]):
            raise StoreError("its bytes are not those that were saved")
        step, content = self._read(path)
        if path == self.current and self._known.saves:
            newest = self._known.saves[0]
            # A checkpoint of another step was put there by someone, who will have meant it.
            is_known = any(_is(path, save) for save in self._known.saves)
            if step == newest.step and not is_known:
                raise StoreError("its bytes are not those that were saved")
        return step, content

    def _remember(self, path: Path, save: Save) -> None:
        if path == self.current:
            self._at_current = save
        others = (s for s in self._known.saves if s.sha256 != save.sha256)
        # The one that is gone on from must outlive the next save, whatever newer ones are broken.
        self._known = Pointer((save, *others)[:_N_KEPT], self._known.best)

    def _clear(self) -> None:
        """Finish or undo what an earlier session was cut off in."""
        with contextlib.suppress(OSError):
            for folder in {self.saves, self._scratch or self.saves}:
                for path in list(folder.glob(f"{_PARTIAL}*")) if folder.is_dir() else ():
                    discard(self._files, path)
            for path in self._step_files(self.saves, "best-"):
                named = parse_name(path.name)
                if named is not None and digest(path).startswith(named[1]):
                    self._make_best(path)
                    self._known = Pointer(self._known.saves, describe(self.best, named[0]))
                    if self._known.saves:
                        write_small(self._files, self.pointer, self._known.to_bytes())
            old = self.saves / ".old-best"
            if old.is_file() and not self.best.is_file():
                self._files.rename(old, self.best)

    def _local_saves(self) -> list[Path]:
        return [] if self._scratch is None else self._step_files(self._scratch)

    def _step_files(self, folder: Path, prefix: str = "") -> list[Path]:
        """Files named as saves are, the latest first."""
        paths = folder.glob(f"{prefix}step-*") if folder.is_dir() else ()
        return sorted((p for p in paths if parse_name(p.name)), key=written_at, reverse=True)


def _is(path: Path, save: Save) -> bool:
    try:
        return path.stat().st_size == save.size and digest(path) == save.sha256
    except FileNotFoundError:
        return False


def _fallback(save: Save, newest: Save | None, problems: list[str]) -> str:
    if not problems:
        return ""
    because = "; ".join(problems)
    if newest is not None and save.sha256 == newest.sha256:
        return f"The newest save is {save}, though {because}."
    return f"Going on from {save}, because {because}."


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.strerror or error}.{_WHAT_NEXT.get(error.errno or 0, '')}"
    return str(error)
