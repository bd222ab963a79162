"""The runs: trained side by side in processes of their own, and evaluated in the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from data_prep.demo.grammar import VOCABULARY
from data_prep.demo.grammar import sentences as demo_sentences
from experiments.learning.recipes import differences
from ponytaco.checkpoint.format import load_checkpoint
from ponytaco.config import Config, ConfigError
from ponytaco.data.dataset_folder import read_dataset
from ponytaco.evaluation.sentences import SENTENCES, SentencesError, read_sentences
from ponytaco.runs.folder import Run
from ponytaco.runs.history import read_history
from ponytaco.text.spoken import spoken_words
from ponytaco.timing import machine

# Up to so many sentences the quick evaluation is used, with fewer validation clips.
_QUICK = 10
# Other seeds than those of the demo's clips.
_SEED = 20_260_000
# Starting a process and opening the clips takes about as long.
_SHORTEST_MINUTES = 0.1
_LOG_LINES = 5


@dataclass(frozen=True)
class Learner:
    """One recipe with one seed."""

    recipe: str
    seed: int
    run: Run

    @property
    def name(self) -> str:
        """The name of its folder."""
        return f"{self.recipe}-{self.seed}"

    @property
    def log_file(self) -> Path:
        """The output of its processes."""
        return self.run.folder / "log.txt"

    def machines(self) -> list[str]:
        """List the machines that it was trained on."""
        path = self._machines
        return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []

    def note_machine(self) -> None:
        """Add this machine to the list."""
        if machine() not in (known := self.machines()):
            self.run.folder.mkdir(parents=True, exist_ok=True)
            text = "".join(f"{line}\n" for line in [*known, machine()])
            self._machines.write_text(text, encoding="utf-8")

    @property
    def _machines(self) -> Path:
        return self.run.folder / "machines.txt"

    def rows(self) -> list[dict[str, float]]:
        """Read its history."""
        return read_history(self.run.history)

    def has_reached(self, step: int) -> bool:
        """Whether it has been trained up to a step."""
        rows = self.rows()
        return bool(rows) and rows[-1]["step"] >= step

    def config(self) -> Config | None:
        """Read the settings that it began with; None if it has not begun."""
        path = self.run.config
        return Config.from_json(path.read_text(encoding="utf-8")) if path.is_file() else None

    def heard(self) -> dict[str, Any] | None:
        """Read the newest evaluation's report, quick or not; None if there is none."""
        paths = [self.run.evaluation_report, self.run.quick_report]
        there = [path for path in paths if path.is_file()]
        if not there:
            return None
        newest = max(there, key=lambda path: path.stat().st_mtime_ns)
        return json.loads(newest.read_text(encoding="utf-8"))


def learner(folder: Path, recipe: str, seed: int) -> Learner:
    """Return the learner of a recipe and seed in a folder of runs."""
    return Learner(recipe, seed, Run(folder / f"{recipe}-{seed}"))


def found(folder: Path) -> list[Learner]:
    """List the learners in a folder of runs."""
    learners = []
    for config in sorted(folder.glob("*-*/config.json")):
        recipe, _, seed = config.parent.name.rpartition("-")
        if seed.isdecimal():
            learners.append(learner(folder, recipe, int(seed)))
    return learners


def train(
    todo: Sequence[tuple[Learner, Config]],
    dataset: Path,
    n_jobs: int,
    minutes: float = 0.0,
    log: Callable[[str], None] = print,
) -> list[Learner]:
    """Train, or resume, the runs that have not reached their last step.

    Args:
        todo: the learners and their settings.
        dataset: a prepared character.
        n_jobs: number of runs at the same time.
        minutes: time after which all runs stop; 0 is no limit.
        log: takes messages for the user.

    Returns:
        The runs that failed.

    Raises:
        ConfigError: if one was begun with other settings.
    """
    for one, config in todo:
        begun = one.config() if one.run.resumable else None
        if begun and (others := differences(begun, config)):
            raise ConfigError(
                f"{one.run.folder} was begun with {'; '.join(others)}. Give another folder, or "
                "the settings that it was begun with."
            )
    deadline = time.monotonic() + 60 * minutes

    def command(of: tuple[Learner, Config]) -> list[str] | None:
        one, config = of
        left = (deadline - time.monotonic()) / 60 if minutes else 0.0
        if minutes and left < _SHORTEST_MINUTES:
            return None
        one.note_machine()
        settings = {**config.to_dict()["audio"], **config.to_dict()["model"]}
        settings |= {**config.to_dict()["train"], "max_minutes": round(left, 3)}
        words = [f"--set={name}={value}" for name, value in settings.items()]
        # All settings are given; a preset for CPUs gives no advice about GPUs.
        return ["train", str(dataset), str(one.run.folder), "--preset", "small", *words]

    waiting = [(one, config) for one, config in todo if not one.has_reached(config.train.max_steps)]
    return _side_by_side(waiting, command, n_jobs, log)


def listen(
    learners: Sequence[Learner],
    dataset: Path,
    sentences: Path,
    n_jobs: int,
    device: str = "auto",
    log: Callable[[str], None] = print,
) -> list[Learner]:
    """Evaluate the runs' best voices with speech recognition, unless done already.

    Args:
        learners: runs that have a voice.
        dataset: their data set.
        sentences: a file of sentences to speak, one per line.
        n_jobs: number of runs at the same time.
        device: 'auto', 'cpu', 'cuda' ….
        log: takes messages for the user.

    Returns:
        The runs that failed.
    """
    texts = read_sentences(sentences)

    def is_heard(one: Learner) -> bool:
        report = one.heard()
        return (
            report is not None
            and [text["text"] for text in report["new"]["texts"]] == texts
            and report["step"] == load_checkpoint(one.run.voice()).run_state.step
        )

    def command(of: tuple[Learner, None]) -> list[str]:
        return ["evaluate", str(of[0].run.folder), "--data", str(dataset), "--device", device,
                "--sentences", str(sentences), *["--quick"] * (len(texts) <= _QUICK)]  # fmt: skip

    waiting = [(one, None) for one in learners if not is_heard(one)]
    return _side_by_side(waiting, command, n_jobs, log)


def write_sentences(path: Path, n: int, dataset: Path, given: Path | None) -> Path:
    """Write sentences that no run was trained on, one per line.

    Args:
        path: the file to write.
        n: number of sentences.
        dataset: the data set, whose texts are excluded; the demo voice gets its own few words.
        given: a file of sentences to take instead.

    Raises:
        SentencesError: if the given file cannot be used, or has too few new sentences.
    """
    content = read_dataset(dataset)
    known = {clip.text for clip in (*content.train, *content.val)}
    if given is not None:
        texts = [text for text in read_sentences(given) if text not in known]
    elif all(VOCABULARY.keys() >= set(spoken_words(text, "english")) for text in known):
        texts = demo_sentences(n, _SEED, exclude=known)
    else:
        texts = [text for text in SENTENCES if text not in known]
    if len(texts) < n:
        raise SentencesError(
            f"There are only {len(texts)} sentences that are not clips: give --listen "
            f"{len(texts)}, or more of them with --sentences FILE."
        )
    path.write_text("".join(f"{text}\n" for text in texts[:n]), encoding="utf-8")
    return path


def _side_by_side(
    todo: Sequence[tuple[Learner, Any]],
    command: Callable[[tuple[Learner, Any]], list[str] | None],
    n_jobs: int,
    log: Callable[[str], None],
) -> list[Learner]:
    """Run ponytaco commands, ``n_jobs`` at a time, except where ``command`` returns None."""
    waiting, failed = deque(todo), []
    active: dict[subprocess.Popen[bytes], tuple[Learner, IO[bytes], float]] = {}
    environment = {**os.environ, "OMP_NUM_THREADS": str(max(1, _n_cores() // n_jobs))}
    try:
        while waiting or active:
            while waiting and len(active) < n_jobs:
                one = waiting[0][0]
                words = command(waiting.popleft())
                if words is None:
                    log(f"{one.name}: no time left; the same command continues it.")
                    continue
                one.run.folder.mkdir(parents=True, exist_ok=True)
                output: IO[bytes] = one.log_file.open("ab")
                process = subprocess.Popen(
                    [sys.executable, "-m", "ponytaco", *words],
                    env=environment, stdout=output, stderr=subprocess.STDOUT,
                )  # fmt: skip
                active[process] = (one, output, time.monotonic())
                log(f"{one.name}: {words[0]} …")
            time.sleep(0.2)
            for process in [process for process in active if process.poll() is not None]:
                one, output, started = active.pop(process)
                output.close()
                took = f"{(time.monotonic() - started) / 60:.1f} minutes"
                lines = one.log_file.read_text(encoding="utf-8", errors="replace").splitlines()
                if process.returncode:
                    failed.append(one)
                    tail = "\n  ".join(lines[-_LOG_LINES:])
                    log(f"{one.name}: FAILED after {took}. {one.log_file} ends:\n  {tail}")
                else:
                    log(f"{one.name}: {took}. {lines[-1] if lines else ''}")
    finally:  # interrupted: training saves and ends
        for process in active:
            process.terminate()
        for process, (_, output, _) in active.items():
            process.wait()
            output.close()
    return failed


def _n_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
