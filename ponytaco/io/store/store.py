"""Checkpoints that survive a full, slow, disconnected or interrupted Drive.

In the run's folder ``current_model`` is the newest save and ``best_model`` the best, each a
complete file. ``saves/`` holds the one before the newest, and ``pointer.json``, which lists them. A
save becomes current only after its bytes have been read back. The session may end after any of
these operations; the next one recognises what is left by its digest.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from ponytaco.errors import PonytacoError
from ponytaco.io.store.errors import NewerVersionError, StoreError, UnreadableError, disk_error
from ponytaco.io.store.files import (
    Files,
    attempts,
    copy,
    digest,
    discard,
    files_named,
    is_there,
    write_small,
)
from ponytaco.io.store.owner import Owner, OwnerError
from ponytaco.io.store.saves import Pointer, Save, describe, parse_name
from ponytaco.printable import say

T = TypeVar("T")
_R = TypeVar("_R")

_N_KEPT = 2
# Seconds to wait before trying again; shorter where training waits, too.
_DELAYS, _SHORT_DELAYS = (1.0, 5.0, 15.0), (0.1, 1.0)
_PARTIAL = ".partial-"
_UNREAD = "unread-"
_OF_OWNERS = ("owner-", ".owner-")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_WHAT_NEXT = {
    errno.ENOTCONN: " Drive is not connected any more.",
    errno.ENOENT: " If it is on Drive, connect Drive again: saving then works again by itself.",
}


@dataclass(frozen=True)
class Loaded(Generic[T]):
    """The newest usable save of a store.

    Attributes:
        content: the file's content as returned by ``read``.
        save: the save's description.
        path: the file.
        sentence: a message about newer saves that could not be used; '' if there are none.
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
    """Counts calls of ``save``: the arrival of an older copy must not hide a newer failure."""


class Store(Generic[T]):
    """The checkpoints of a run.

    Args:
        folder: the run's folder, on Drive or a local disk.
        read: reads a whole file and returns its step and content; raises a PonytacoError if it
            cannot be used, a NewerVersionError if a newer ponytaco wrote it.
        scratch: a local folder of this run alone. With it saves are written there and copied to
            ``folder`` by a thread; without it they are written into ``folder`` directly.
        log: takes messages for the user, also from the copying thread.
        files: the operations that change files.
        delays: seconds to wait before each new attempt.
    """

    def __init__(
        self,
        folder: Path,
        read: Callable[[Path], tuple[int, T]],
        scratch: Path | None = None,
        *,
        log: Callable[[str], None] = say,
        files: Files | None = None,
        delays: tuple[float, ...] | None = None,
    ) -> None:
        self.current = folder / "current_model"
        self.best = folder / "best_model"
        self.saves = folder / "saves"
        self.pointer = self.saves / "pointer.json"
        self.problem = ""
        """Why the last save is not in the folder; '' if it is, or is being copied."""
        self._read = read
        self._scratch = scratch
        self._log = log
        self._files = files or Files()
        self._local_delays = _SHORT_DELAYS if delays is None else delays
        if delays is None:
            delays = _SHORT_DELAYS if scratch is None else _DELAYS
        self._delays = delays
        self._known = Pointer()
        self._listed: tuple[Save, ...] = ()
        """The saves in the pointer file."""
        self._copied_best: Save | None = None
        """A best save whose copy is there, but not yet listed."""
        self._at_current: Save | None = None
        self._current_status: tuple[int, int] | None = None
        self._unread: dict[Path, str] = {}
        """Files that the disk did not let be read, and the names to keep them under."""
        self._reported = self._has_folder = False
        self._owner: Owner | None = None
        self._session = self._n_saves = self._failed_save = 0
        self._queue: list[_Task] = []
        self._running: _Task | None = None
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    # Owning

    def claim(self, take_over: Callable[[], bool] | None = None) -> None:
        """Make this session the folder's owner until it is closed: no other may save there.

        Args:
            take_over: asked while another session has the folder; once it returns True, the folder
                is taken over. None refuses a folder whose owner shows that it lives.

        Raises:
            OwnerError: if another session lives.
            OSError: if the folder cannot be made or read.
        """

        def claim() -> Owner:
            owner = Owner(self.saves, self._log, self._files)
            owner.claim(self._next_session() - 1, take_over)
            return owner

        self._owner = self._attempts(claim)
        self._session, self._has_folder = self._owner.session, True

    def require_owned(self) -> None:
        """Check what is known of the folder's owner, without looking at the disk.

        Raises:
            OwnerError: if another session has taken over.
        """
        if self._owner is not None:
            self._owner.require()

    def while_owned(self, action: Callable[..., object], *arguments: object) -> None:
        """Call an action that changes the run's files, unless another session has taken over.

        Raises:
            OwnerError: if so.
            OSError: if that cannot be found out.
        """
        with self._owning():
            action(*arguments)

    def _owning(self) -> contextlib.AbstractContextManager[None]:
        return self._owner.owning() if self._owner is not None else contextlib.nullcontext()

    # Saving

    def save(self, write: Callable[[Path], None], step: int, is_best: bool = False) -> bool:
        """Write a save, verify it and make it the current one.

        Errors of the disk are not raised but logged once, and the last good save stays.

        Args:
            write: writes the checkpoint to the path that it is given.
            step: the run's step.
            is_best: whether to make it the best save, too.

        Returns:
            Whether it was written and verified; with ``scratch`` its copy may still be under way.
            False if another session has taken over the folder.
        """
        self._n_saves += 1
        try:
            self.require_owned()
            task = self._attempts(
                lambda: self._write_local(write, step, is_best), self._local_delays
            )
        except OwnerError as error:
            self.problem = str(error)
            return False
        except (OSError, PonytacoError, RuntimeError) as error:
            self._report(self._n_saves, step, error, self._scratch or self.current.parent)
            return False
        if self._scratch is None:
            self._publish(task)
            return not self.problem
        self._enqueue(task)
        return True

    def publish(self, found: Loaded[T], is_best: bool) -> bool:
        """Make a loaded save the current one if it never became that.

        The session that made it may have been cut off, or its copy failed: then it is on this
        machine alone. With ``scratch`` it is copied in the background. Errors are those of
        ``save``.

        Args:
            found: as loaded by this store, which has not saved since.
            is_best: whether it is the best save, too.

        Returns:
            Whether it was not current yet.
        """
        is_older = bool(self._listed) and found.save.order < self._listed[0].order
        is_local = self._scratch is not None and found.path.parent == self._scratch
        if not is_local and (is_older or found.path.parent != self.saves):
            return False
        task = _Task(found.path, found.save, is_best, self._n_saves)
        if is_local:
            self._enqueue(task)
        else:
            self._publish(task)
        return True

    def close(self) -> None:
        """Wait until the copy that is under way is done, and leave the folder to other sessions."""
        self.drain()
        if self._owner is not None:
            # The next session must know that what has not arrived is older than its own saves.
            self._owner.release(keep=bool(self.problem))

    def drain(self) -> None:
        """Wait until the copy that is under way is done."""
        while (thread := self._thread) is not None and thread.is_alive():
            thread.join()

    def _write_local(self, write: Callable[[Path], None], step: int, is_best: bool) -> _Task:
        if self._scratch is None:
            self._require_folder()
            with self._owning(), contextlib.suppress(OSError):
                self._make_room()
        else:
            self._scratch.mkdir(parents=True, exist_ok=True)
            with self._lock:
                self._discard_local({*self._local_saves()[:1]})
        folder = self._scratch or self.saves
        partial = folder / f"{_PARTIAL}{step}-{os.getpid()}"
        try:
            write(partial)
            with partial.open("rb+") as file:
                self._files.fsync(file)
            written_step, _ = self._read_file(partial)
            if written_step != step:
                raise OSError(errno.EIO, f"step {written_step} was read, but {step} was written")
            self._session = self._session or self._next_session()
            save = describe(partial, step, self._session, self._n_saves)
            local = folder / save.name
            self._files.rename(partial, local)
        except BaseException:
            with contextlib.suppress(OSError):
                discard(self._files, partial)
            raise
        return _Task(local, save, is_best, self._n_saves)

    def _require_folder(self) -> None:
        """Check that the run's folder is there; it is made once, and not in a mount that is gone.

        Raises:
            OSError: if not.
        """
        if not self._has_folder:
            self.saves.mkdir(parents=True, exist_ok=True)
            self._has_folder = True
        if not self.saves.is_dir():
            raise FileNotFoundError(errno.ENOENT, "The folder is not there any more")

    def _enqueue(self, task: _Task) -> None:
        with self._lock:
            # Only the newest is worth a copy, and the best one before it.
            kept = [t for t in self._queue if t.is_best and not task.is_best]
            self._queue = [*kept, task]
            self._discard_local(set())
            if self._thread is None or not self._thread.is_alive() or self._running is None:
                self._start_copying()

    def _discard_local(self, needed: set[Path]) -> None:
        """Remove the local saves that are neither needed nor to be copied, with the lock held."""
        needed |= {t.local for t in (*self._queue, self._running) if t is not None}
        for left in self._local_saves():
            if left not in needed and left not in self._unread:
                with contextlib.suppress(OSError):
                    discard(self._files, left)

    def _start_copying(self) -> None:
        """Start a thread, with the lock held; one that has taken its last task touches no file."""
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
        except OwnerError as error:
            self.problem = str(error)
            if self._scratch is None and task.save.session == self._session:
                with contextlib.suppress(OSError):
                    discard(self._files, task.local)
            return
        except (OSError, PonytacoError) as error:
            self._report(task.number, task.save.step, error, self.current.parent)
            return
        if task.number < self._failed_save:
            return
        if self._reported:
            self._log(f"Saving works again: step {task.save.step:,} is saved.")
        self._reported, self.problem = False, ""

    def _publish_once(self, task: _Task) -> None:
        """Copy a save into the folder; may be cut off after any line and repeated as a whole."""
        save = task.save
        self._require_folder()
        best_copy = self.saves / f"best-{save.name}"
        with self._owning(), contextlib.suppress(OSError):
            self._make_room(best_copy.name, save.name, task.local.name)
        if task.is_best and not (self._known.best == save and is_there(self.best)):
            self._copy_verified(task.local, best_copy, save)
            self._copied_best = save
        is_new = self._at_current != save
        if is_new:
            self._copy_verified(task.local, self.saves / save.name, save)
        if self._at_current is None:
            self._current_status = _status(self.current)
            self._at_current = self._known_at_current()
        older = tuple(s for s in self._known.saves if s != save and self._is_kept(s))
        # Known from now on, listed or not: on a full disk even the pointer may not fit.
        self._known = Pointer((save, *older)[:_N_KEPT], self._known.best)
        known = Pointer(self._known.saves, save if task.is_best else self._known.best)
        with self._owning():
            write_small(self._files, self.pointer, known.to_bytes())
        self._known, self._listed, self._copied_best = known, known.saves, None
        with self._owning():
            if is_new:
                self._make_current(save)
            self._note_last_save(save)
        with self._owning():
            if is_there(best_copy):
                self._make_best(best_copy)
            self._prune(save.step)
        if self._scratch is not None and task.local.parent == self._scratch:
            discard(self._files, task.local)

    def _note_last_save(self, save: Save) -> None:
        if self._owner is not None:
            self._owner.last_save = f"Its last save is {save}."

    def _copy_verified(self, source: Path, target: Path, save: Save) -> None:
        if not _is(target, save):
            partial = target.with_name(_PARTIAL + target.name)
            try:
                copy(self._files, source, partial)
                if not _is(partial, save):
                    raise OSError(
                        errno.EIO, "the bytes read differ from those written", str(partial)
                    )
                self._files.rename(partial, target)
            except OSError:
                with contextlib.suppress(OSError):  # on a full Drive it would be in the way
                    discard(self._files, partial)
                raise

    def _make_current(self, save: Save) -> None:
        if is_there(self.current):
            if _status(self.current) != self._current_status:
                # Another session was faster than its notice: its save must not get this name.
                self._at_current = self._known_at_current()
            old = self._at_current
            aside = self._unread.get(self.current) or (
                old.name if old is not None else f"replaced-{digest(self.current)[:16]}"
            )
            self._files.rename(self.current, self.saves / aside)
            self._unread.pop(self.current, None)
        self._at_current = None
        with self._owning():
            self._files.rename(self.saves / save.name, self.current)
        self._at_current, self._current_status = save, _status(self.current)

    def _known_at_current(self) -> Save | None:
        """The listed save that ``current_model`` is; None for any other file."""
        if self.current in self._unread:
            return None
        return next((save for save in self._known.saves if _is(self.current, save)), None)

    def _is_kept(self, save: Save) -> bool:
        """Whether the folder has it; one that was resumed may be on the machine only."""
        return save == self._at_current or is_there(self.saves / save.name)

    def _make_best(self, copy_of_it: Path) -> None:
        # Not over the old one: Drive would put that into its trash at its full size.
        old = self.saves / ".old-best"
        if is_there(self.best):
            self._files.rename(self.best, old)
        with self._owning():
            self._files.rename(copy_of_it, self.best)
        discard(self._files, old)

    def _put_best_back(self) -> None:
        old = self.saves / ".old-best"
        if is_there(old) and not is_there(self.best):
            self._files.rename(old, self.best)

    def _make_room(self, *needed: str) -> None:
        """Finish or remove what failed attempts have left, before more is written."""
        if not self._known.saves:
            return  # nothing is known of what is there
        best = self._copied_best or self._known.best
        if best is not None and is_there(left := self.saves / f"best-{best.name}"):
            self._make_best(left)
            self._known = Pointer(self._known.saves, best)
        self._put_best_back()
        self._prune(self._known.saves[0].step, *needed)

    def _prune(self, step: int, *needed: str) -> None:
        """Remove all but the two newest saves and the files that are needed.

        One that could not be read stays until it can be, and the run has come as far as it.
        """
        saves = [s for s in (*self._known.saves, *self._listed) if self._is_kept(s)]
        names = list(dict.fromkeys(save.name for save in saves))[:_N_KEPT]
        kept = {self.pointer.name, *names, *needed}
        for path in list(self.saves.iterdir()):
            if path.name in kept or path.name.startswith(_OF_OWNERS) or not is_there(path):
                continue
            if path in self._unread:
                self._files.rename(path, self.saves / self._unread.pop(path))
            elif not path.name.startswith(_UNREAD) or _is_surpassed(path, step):
                discard(self._files, path)

    def _attempts(self, work: Callable[[], _R], delays: tuple[float, ...] | None = None) -> _R:
        return attempts(work, self._delays if delays is None else delays)

    def _report(self, number: int, step: int, error: Exception, folder: Path) -> None:
        if number < self._failed_save:
            return
        self._failed_save = number
        what_next = ""
        if isinstance(error, OSError) and error.errno in _FULL:
            is_on_drive = self._scratch not in (None, folder)
            what_next = " Empty Drive's trash, or free" if is_on_drive else " Free"
            what_next += " some space on that disk."
        where = f"{folder}, on the local disk" if folder == self._scratch else f"{folder}"
        self.problem = f"Step {step:,} could not be saved in {where}: {_reason(error)}{what_next}"
        if not self._reported:
            self._log(f"{self.problem} Training continues; the last good save is kept.")
        self._reported = True

    # Loading

    def load(self) -> Loaded[T] | None:
        """Load the newest save that can be verified; None if there are no saves.

        Raises:
            StoreError: if there are files, but none of them can be used; the message tells why.
            UnreadableError: if the disk does not let them be read.
            NewerVersionError: if a newer ponytaco wrote the newest.
        """
        self.drain()
        pointer = self._read_pointer()
        problems: list[str] = []
        try:
            others = self._attempts(lambda: files_named(self.saves, "*"))
            self._session = self._session or self._attempts(self._next_session)
        except OSError as error:
            raise UnreadableError(f"{_cannot_be_read(self.saves, error)}.") from None
        if pointer is None and any(not path.name.startswith(_OF_OWNERS) for path in others):
            problems.append("saves/pointer.json is lost or damaged")
        self._known = pointer or Pointer()
        self._listed, self._copied_best = self._known.saves, None
        self._at_current = None
        self._has_folder = self._has_folder or self.saves.is_dir()
        self._clear()
        try:
            candidates = self._attempts(self._candidates)
        except OSError as error:
            raise UnreadableError(f"{_cannot_be_read(self.saves, error)}.") from None
        for path in candidates:
            if path == self.best and self._unread:
                break  # it may be far behind what cannot be read at the moment
            try:
                path.stat()
                save, content = self._verified(path)
            except FileNotFoundError:
                problems.append(f"{path.name} is missing")
                continue
            except NewerVersionError:
                raise
            except OSError as error:
                self._unread[path] = self._name_unread(path)
                problems.append(_cannot_be_read(path, error))
                continue
            except PonytacoError as error:
                reason = _reason(error).rstrip(".")
                problems.append(reason if path.name in reason else f"{path.name}: {reason}")
                continue
            newest = self._known.saves[0] if self._known.saves else None
            self._unread.pop(path, None)
            self._remember(path, save)
            return Loaded(content, save, path, _fallback(save, newest, problems))
        if self._unread:
            raise UnreadableError(f"{'; '.join(problems)}.")
        if any(not problem.endswith("missing") for problem in problems):
            raise StoreError(f"No save can be used: {'; '.join(problems)}.")
        return None

    def _read_pointer(self) -> Pointer | None:
        try:
            return self._attempts(lambda: Pointer.read(self.pointer))
        except OSError:
            return None

    def _name_unread(self, path: Path) -> str:
        """Return the name in ``saves`` that an unread file is kept under."""
        if path != self.current:
            return _UNREAD + path.name.removeprefix(_UNREAD)
        with contextlib.suppress(OSError, IndexError):
            if path.stat().st_size == (newest := self._known.saves[0]).size:
                return _UNREAD + newest.name
        return _UNREAD + secrets.token_hex(8)

    def _candidates(self) -> list[Path]:
        """List the files that may be saves, the newest first."""
        listed = [self.saves / save.name for save in self._known.saves]
        others = [
            path
            for path in (*self._local_saves(), *self._step_files(self.saves),
                         *self._step_files(self.saves, _UNREAD))
            if path not in listed
        ]  # fmt: skip
        # Saves that never became current: cut off, on a full disk, or on this machine alone. What a
        # user has put there precedes them.
        newest = self._known.saves[0] if self._known.saves else None
        newer = [p for p in others if newest is not None and _order(p) > newest.order]
        with contextlib.suppress(OSError):
            if newer and is_there(self.current) and self._known_at_current() is None:
                newer = []
        first = [path for path in listed[:1] if is_there(path)]
        return [*newer, *first, self.current, *(p for p in listed if p not in first and
                is_there(p)), *(p for p in others if p not in newer),
                *([self.best] if is_there(self.best) else [])]  # fmt: skip

    def _next_session(self) -> int:
        """Return a number above those of all saves that can be seen from here."""
        listed = (self._read_pointer() or Pointer()).saves
        files = (*self._local_saves(), *self._step_files(self.saves))
        return 1 + max([s.session for s in listed] + [_order(p)[0] for p in files], default=0)

    def _verified(self, path: Path) -> tuple[Save, T]:
        """Read a file and compare it with what is known of it, again after errors of the disk.

        Raises:
            OSError: if it cannot be read.
            PonytacoError: if it cannot be used.
        """
        try:
            return self._attempts(lambda: self._verified_once(path))
        except NewerVersionError:
            raise
        except PonytacoError:
            # A reader may take a passing error for damage: only what is found twice is damage.
            return self._attempts(lambda: self._verified_once(path))

    def _verified_once(self, path: Path) -> tuple[Save, T]:
        named = parse_name(path.name)
        if named is not None and not digest(path).startswith(named.digest):
            raise StoreError("its bytes differ from those saved")
        step, content = self._read_file(path)
        if path == self.current and self._known.saves:
            newest = self._known.saves[0]
            # A checkpoint of another step was put there on purpose.
            is_known = any(_is(path, save) for save in self._known.saves)
            if step == newest.step and not is_known:
                raise StoreError("its bytes differ from those saved")
        return self._identified(path, step), content

    def _read_file(self, path: Path) -> tuple[int, T]:
        """Read a file; an error of the disk is raised as such."""
        try:
            return self._read(path)
        except PonytacoError as error:
            if (reason := disk_error(error)) is not None:
                raise reason from None
            raise

    def _identified(self, path: Path, step: int) -> Save:
        """Describe a verified file, with the order and time that are known of it."""
        session, number, _ = _order(path)
        save = describe(path, step, session, number)
        return next((s for s in self._known.saves if s.sha256 == save.sha256), save)

    def _remember(self, path: Path, save: Save) -> None:
        if path == self.current:
            self._at_current, self._current_status = save, _status(self.current)
        others = (s for s in self._known.saves if s.sha256 != save.sha256)
        # The one that is resumed must outlive the next save, whatever newer ones are damaged.
        self._known = Pointer((save, *others)[:_N_KEPT], self._known.best)

    def _clear(self) -> None:
        """Finish or undo what an interrupted session has left."""
        with contextlib.suppress(OSError):
            for folder in {self.saves, self._scratch or self.saves}:
                for path in files_named(folder, f"{_PARTIAL}*"):
                    discard(self._files, path)
            for path in self._step_files(self.saves, "best-"):
                named = parse_name(path.name)
                try:
                    is_whole = named is not None and digest(path).startswith(named.digest)
                except OSError:
                    self._unread[path] = self._name_unread(path)
                    continue
                if named is not None and is_whole:
                    self._make_best(path)
                    session, number, step = named.order
                    best = describe(self.best, step, session, number)
                    self._known = Pointer(self._known.saves, best)
                    if self._known.saves:
                        write_small(self._files, self.pointer, self._known.to_bytes())
            self._put_best_back()

    def _local_saves(self) -> list[Path]:
        return [] if self._scratch is None else self._step_files(self._scratch)

    def _step_files(self, folder: Path, prefix: str = "") -> list[Path]:
        """List the files named like saves, the newest first."""
        paths = files_named(folder, f"{prefix}step-*")
        return sorted((p for p in paths if parse_name(p.name)), key=_order, reverse=True)


def _order(path: Path) -> tuple[int, int, int]:
    """Return the order of a save by its file's name."""
    named = parse_name(path.name)
    return named.order if named is not None else (0, 0, 0)


def _is_surpassed(path: Path, step: int) -> bool:
    """Whether a file that could not be read now can, and a run has come as far as it."""
    named = parse_name(path.name)
    if named is None or named.order[-1] > step:
        return False
    try:
        return bool(digest(path))
    except OSError:
        return False


def _status(path: Path) -> tuple[int, int] | None:
    """Return a file's size and time; None if it is missing."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_size, status.st_mtime_ns


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
    return f"Resuming from {save}, because {because}."


def _cannot_be_read(path: Path, error: OSError) -> str:
    return f"{path.name} cannot be read ({error.strerror or error})"


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.strerror or error}.{_WHAT_NEXT.get(error.errno or 0, '')}"
    return str(error)
