"""One owner of a run's folder: a session claims it, shows that it lives, and notices its loss.

On Colab the old machine lives on while the same notebook is run again on a new one. Drive has no
locks, two machines that write the same file undo each other's work, and their clocks differ.
Therefore each session has a file of its own, ``saves/owner-<session>-<id>.json``, the highest
session that trains owns the folder, and a session lives if its file changes while another watches.
"""

from __future__ import annotations

import contextlib
import enum
import hashlib
import json
import os
import platform
import random
import re
import secrets
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path

from ponytaco.errors import PonytacoError
from ponytaco.io.store.files import Files, discard, write_small
from ponytaco.io.store.saves import MOST_SESSIONS, Pointer

_NAME = re.compile(r"owner-(\d{1,19})-([0-9a-f]{16})\.json")
_MOST_BYTES = 4096

# Seconds. An owner shows that it lives by a beat, and looks for one above it more often. A newcomer
# takes one that has missed three beats for dead, and waits for a living one to answer.
_BEAT, _LOOK, _PATIENCE, _ANSWER, _POLL = 30.0, 5.0, 90.0, 20.0, 0.25
# Changes after which a newcomer believes that the owner lives: Drive may show a last one late.
_N_SIGNS = 2

# The sessions of this process, so that one that has ended is not taken for alive.
_LIVING: set[str] = set()


class OwnerError(PonytacoError):
    """Another session has the run's folder."""


class State(enum.StrEnum):
    """What a session does; the words are equally long, because they are overwritten in place."""

    CLAIMING = "claiming"
    TRAINING = "training"
    RELEASED = "released"


@dataclass(frozen=True)
class Clock:
    """The time, which tests replace."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Claim:
    """The owner file of a session, perhaps on another machine."""

    path: Path
    session: int
    id: str
    content: bytes | None
    """None if it cannot be read at the moment."""

    @cached_property
    def _fields(self) -> dict[str, str]:
        try:
            fields = json.loads(self.content or b"")
        except (ValueError, RecursionError):
            return {}
        known = fields.items() if isinstance(fields, dict) else ()
        return {name: text for name, text in known if isinstance(text, str)}

    @property
    def state(self) -> str:
        """A ``State``; a damaged file counts as training."""
        return self._fields.get("state", State.TRAINING)

    @property
    def has_ended(self) -> bool:
        """Whether its process is known to have ended; only that of this machine can be."""
        process = self._fields.get("process", "")
        if self._fields.get("machine") != _machine() or not re.fullmatch(r"\d{1,9}-\d+", process):
            return False
        if process == _process(os.getpid()):
            return self.id not in _LIVING
        return _has_ended(process)

    def __str__(self) -> str:
        """Format for messages: 'another session (on 3f2a1c, since 2026-08-19 11:05 UTC)'."""
        host, since = (self._fields.get(name, "") for name in ("host", "since"))
        known = [f"on {host}"] if re.fullmatch(r"[\w.-]{1,64}", host, re.ASCII) else []
        if re.fullmatch(r"[\d-]{10} [\d:]{5} UTC", since, re.ASCII):
            known.append(f"since {since}")
        return f"another session ({', '.join(known)})" if known else "another session"


class Owner:
    """This session as the owner of a run's folder.

    Args:
        saves: the run's folder ``saves``.
        log: takes messages for the user, also from a thread.
        files: the operations that change files.
        clock: the time.

    Attributes:
        session: this session's number, above those of all earlier ones.
        last_save: a sentence about the last save, for the message when the folder is lost.
    """

    def __init__(
        self,
        saves: Path,
        log: Callable[[str], None],
        files: Files | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.session = 0
        self.last_save = ""
        self._saves, self._log = saves, log
        self._files, self._clock = files or Files(), clock or Clock()
        self._id = secrets.token_hex(8)
        self._since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        self._n_beats = self._n_failed_beats = 0
        self._lost = ""
        self._made: list[Path] = []
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._live, name="owner of the run", daemon=True)

    @property
    def _path(self) -> Path:
        return self._saves / f"owner-{self.session}-{self._id}.json"

    # Beginning and ending

    def claim(self, floor: int, take_over: Callable[[], bool] | None) -> None:
        """Become the owner, once no other session that lives has the folder.

        Args:
            floor: the highest session number in the folder's saves.
            take_over: asked while another session has the folder; once it returns True, the folder
                is taken over. None refuses a folder whose owner shows that it lives.

        Raises:
            OwnerError: if another session lives.
            OSError: if the folder cannot be made or read.
        """
        _LIVING.add(self._id)
        self._made = [p for p in (self._saves, *self._saves.parents) if not p.exists()]
        try:
            self._saves.mkdir(parents=True, exist_ok=True)
            while not self._try_claim(floor, take_over):
                self._clock.sleep(random.uniform(0.1, 1.0))
        except BaseException:
            self.release()
            raise
        self._thread.start()

    def release(self, keep: bool = False) -> None:
        """Leave the folder to others.

        Args:
            keep: leave the file, which tells the next session that there has been this one.
        """
        self._ended.set()
        _LIVING.discard(self._id)
        if self._thread.is_alive():
            self._thread.join(2 * _LOOK)
        with contextlib.suppress(OSError):
            if keep and not self._lost:
                self._put(State.RELEASED)
            else:
                discard(self._files, self._path)
        for folder in self._made:
            with contextlib.suppress(OSError):
                folder.rmdir()  # only if nothing has come of the run

    def _try_claim(self, floor: int, take_over: Callable[[], bool] | None) -> bool:
        silent = self._wait(take_over)
        others = self._claims()
        self.session = 1 + max([floor, *(claim.session for claim in others)])
        try:
            self._put(State.CLAIMING)
            # Of two that begin at once each sees the other or has been seen: it steps back.
            if any(claim.session >= self.session for claim in self._claims()):
                discard(self._files, self._path)
                return False
            self._put(State.TRAINING)
        except OSError as error:
            self._log(
                f"{self._saves.parent} cannot be marked as in use ({error.strerror or error}). Do "
                "not train it in another session at the same time."
            )
            return True
        self._await_answers(silent)
        with contextlib.suppress(OSError):
            for claim in others:
                discard(self._files, claim.path)
        return True

    def _wait(self, take_over: Callable[[], bool] | None) -> set[Path]:
        """Wait until no other session has the folder, as far as this one may know.

        Returns:
            The owner files of sessions that are dead, or have been taken over before.

        Raises:
            OwnerError: if it lives, and may not be taken over.
        """
        seen: Claim | None = None
        quiet_since, n_signs = self._clock.now(), 0
        while (rival := self._rival()) is not None:
            folder = self._saves.parent
            if take_over is not None and take_over():
                self._log(f"Taking over {folder} from {rival}.")
                return {claim.path for claim in self._claims() if claim.session < rival.session}
            if seen is None:
                at_once = " (--take-over does not wait.)" if take_over is None else ""
                self._log(
                    f"{folder} is in use by {rival}. Waiting {_PATIENCE:.0f} seconds for a sign "
                    f"that it lives …{at_once}"
                )
            elif seen.path != rival.path:
                quiet_since = self._clock.now()
            elif None not in (seen.content, rival.content) and seen.content != rival.content:
                quiet_since, n_signs = self._clock.now(), n_signs + 1
            seen = rival
            if take_over is None and n_signs >= _N_SIGNS:
                raise OwnerError(
                    f"{folder} is being trained by {rival}. Stop that one first, or take the "
                    "folder over: with --take-over, in a notebook or in Python with take_over."
                )
            if self._clock.now() - quiet_since >= _PATIENCE:
                self._log(f"There was no sign of it for {_PATIENCE:.0f} seconds: taking over.")
                return {claim.path for claim in self._claims() if claim.session <= rival.session}
            self._clock.sleep(_POLL)
        return set()

    def _await_answers(self, silent: set[Path]) -> None:
        """Wait until all that are taken over have noticed and touch nothing any more.

        Besides the one that had the folder, another newcomer may have taken it over meanwhile.

        Args:
            silent: from ``_wait``.
        """
        until = self._clock.now() + _ANSWER
        while self._clock.now() < until:
            if not any(
                claim.session < self.session
                and claim.path not in silent
                and claim.state != State.RELEASED
                and not claim.has_ended
                for claim in self._claims()
            ):
                return
            self._clock.sleep(_POLL)

    # Owning

    @contextlib.contextmanager
    def owning(self) -> Iterator[None]:
        """Check that the folder is still this session's, and answer no other before the block ends.

        Raises:
            OwnerError: if another session has taken over.
            OSError: if that cannot be found out.
        """
        with self._lock:
            if not self._lost:
                self._look()
            self.require()
            yield

    def require(self) -> None:
        """Check what is known, without looking at the disk.

        Raises:
            OwnerError: if another session has taken over.
        """
        if self._lost:
            raise OwnerError(f"{self._lost} {self.last_save}".rstrip())

    def _look(self) -> None:
        """Look for a session above this one; write the own file again if it is missing."""
        for claim in self._claims():
            if (claim.session, claim.id) < (self.session, self._id):
                continue
            if claim.content is None:
                raise OSError(f"{claim.path} cannot be read")
            if claim.state != State.CLAIMING:
                self._lose(str(claim))
                return
        if not self._path.is_file():
            pointer = Pointer.read(self._saves / "pointer.json") or Pointer()
            if any(save.session > self.session for save in pointer.saves):
                self._lose("another session")
            else:
                self._put(State.TRAINING)

    def _lose(self, to: str) -> None:
        self._lost = f"{to[0].upper()}{to[1:]} has taken over {self._saves.parent}; this one stops."

    def _live(self) -> None:
        n_looks = 0
        while not self._ended.wait(_LOOK):
            n_looks += 1
            try:
                with self.owning():
                    pass
                if n_looks * _LOOK >= _BEAT:
                    n_looks = 0
                    self._n_beats += 1
                    self._put(State.TRAINING)
                    self._n_failed_beats = 0
            except OwnerError:
                with contextlib.suppress(OSError), self._lock:
                    discard(self._files, self._path)  # the answer that the other waits for
                return
            except OSError as error:
                self._n_failed_beats += 1
                if self._n_failed_beats == 2 * _BEAT // _LOOK:
                    self._log(
                        f"{self._saves.parent} cannot be marked as in use at the moment "
                        f"({error.strerror or error}). Training continues."
                    )

    # Files

    def _claims(self) -> list[Claim]:
        """Read the owner files of other sessions, the highest first."""
        claims = []
        for path in list(self._saves.iterdir()):
            named = _NAME.fullmatch(path.name)
            if named is None or named[2] == self._id or int(named[1]) >= MOST_SESSIONS:
                continue
            try:
                with path.open("rb") as file:
                    content = file.read(_MOST_BYTES)
            except FileNotFoundError:
                continue
            except OSError:
                content = None
            claims.append(Claim(path, int(named[1]), named[2], content))
        return sorted(claims, key=lambda claim: (claim.session, claim.id), reverse=True)

    def _rival(self) -> Claim | None:
        """Return the highest session that may have the folder, rather than one that claims it."""
        rivals = [c for c in self._claims() if c.state != State.RELEASED and not c.has_ended]
        return next((c for c in rivals if c.state != State.CLAIMING), next(iter(rivals), None))

    def _put(self, state: State) -> None:
        """Write the own file. Each text is as long as the last: a reader never finds half of it."""
        fields = {
            "state": state,
            "beat": f"{self._n_beats:010}",
            "host": platform.node(),
            "since": self._since,
            "machine": _machine(),
            "process": _process(os.getpid()),
        }
        content = (json.dumps(fields, indent=1) + "\n").encode()
        try:
            with self._path.open("r+b") as file:
                self._files.write(file, content)
                self._files.fsync(file)
        except FileNotFoundError:
            write_small(self._files, self._path, content)


@cache
def _machine() -> str:
    """Return what tells this machine, since it was started, from others."""
    parts = [platform.node()]
    try:
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text())
        parts.append(os.readlink("/proc/self/ns/pid"))
    except OSError:
        parts.append(f"{uuid.getnode()}")
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]


def _process(pid: int) -> str:
    """Return what tells a process from others with its id: when it began; 0 if unknown."""
    return f"{pid}-{(_status(pid) or ('', '0'))[1]}"


def _status(pid: int) -> tuple[str, str] | None:
    """Return a process's state and when it began, in Linux's words; None if they are unknown."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        words = text[text.rindex(")") + 1 :].split()
        return words[0], words[19]
    except (OSError, ValueError, IndexError):
        return None


def _has_ended(process: str) -> bool:
    """Whether a process of this machine has certainly ended."""
    pid = int(process.partition("-")[0])
    if sys.platform == "win32":
        return False  # there os.kill would end it
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    status = _status(pid)
    return status is not None and (status[0] in "ZX" or process != f"{pid}-{status[1]}")
