"""Training sessions that can be killed: processes forked from one that has imported torch.

As a script, this is that process: for each line on stdin it forks a session and prints its process
id, then its exit code. Nothing that starts a thread is done before a fork.
"""

import contextlib
import errno
import functools
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path


class Sessions:
    """Start sessions one after the other: ``with Sessions(data) as sessions``.

    Args:
        data: the dataset folder of all of them.
    """

    def __init__(self, data):
        self._data = str(data)

    def __enter__(self):
        import ponytaco

        root = str(Path(ponytaco.__file__).parents[1])
        self._process = subprocess.Popen(
            [sys.executable, __file__, self._data],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": root},
        )
        return self

    def __exit__(self, *error):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(60)

    def start(self, folder, scratch, log, config, seed=None, take_over=False):
        """Start a session, and return its process id.

        Args:
            folder: the run's folder.
            scratch: the run's scratch folder; None saves into the folder at once.
            log: a file for a line per step and save.
            config: the settings.
            seed: seed of the disk's faults; None for a disk that works and is fast.
            take_over: whether to take the folder over from another session.
        """
        order = [str(folder), scratch and str(scratch), str(log), config.to_json(), seed, take_over]
        self._process.stdin.write(json.dumps(order) + "\n")
        return int(self._process.stdout.readline())

    def end(self):
        """Wait until the session has ended, and return its exit code, or minus the signal.

        The code is 3 if another session had or took its folder.

        The process is reaped only now, so that until then no other one has its id.
        """
        self._process.stdin.write("end\n")
        return int(self._process.stdout.readline())


class Drive:
    """Files on a slow disk that fails at random, and in some sessions is away for a while."""

    def __init__(self, seed):
        from ponytaco.io.store.files import Files

        self._rng = random.Random(seed)
        self._count = 0
        begin = self._rng.randrange(150)
        self._away = range(begin, begin + (self._rng.random() < 0.4) * self._rng.randrange(100))
        real = Files()
        self.files = Files(
            **{
                name: functools.partial(self._do, name, getattr(real, name))
                for name in ("write", "fsync", "rename", "truncate", "remove")
            }
        )

    def _do(self, name, real, *args):
        self._count += 1
        time.sleep(self._rng.random() * 0.002)
        if self._count in self._away or self._rng.random() < 0.01:
            if name == "write":
                real(args[0], args[1][: len(args[1]) // 2])
            number = self._rng.choice([errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.ENOTCONN])
            raise OSError(number, os.strerror(number))
        return real(*args)


def _session(data, folder, scratch, log, settings, seed, take_over):
    import ponytaco.io.store.owner as owner_module
    import ponytaco.io.store.store as store_module
    import ponytaco.training.loop as loop_module
    import ponytaco.training.session as session_module
    from ponytaco.config import Config
    from ponytaco.runs.folder import Run

    loop_module._REPORT_EVERY = 1
    session_module.save_pictures = lambda *args: None
    if seed is not None:
        drive = Drive(seed)
        store_module.Files = lambda: drive.files
    for name, seconds in (("BEAT", 0.2), ("LOOK", 0.05), ("PATIENCE", 20.0), ("ANSWER", 20.0)):
        setattr(owner_module, f"_{name}", seconds)
    store_module._DELAYS = store_module._SHORT_DELAYS = (0.001,) * 5
    with open(log, "a", buffering=1) as out:

        def log_when_done(word, name, step_of):
            method = getattr(store_module.Store, name)

            def wrapper(self, *args):
                result = method(self, *args)
                out.write(f"{word} {step_of(args, result)} {time.time()}\n")
                return result

            setattr(store_module.Store, name, wrapper)

        # A save is complete on the local disk before its copy is.
        if scratch is None:
            log_when_done("saved", "_publish_once", lambda args, result: args[0].save.step)
        else:
            log_when_done("saved", "_write_local", lambda args, result: result.save.step)
        log_when_done("arrived", "_publish_once", lambda args, result: args[0].save.step)
        append = session_module.append_history

        def append_and_note(path, row):
            append(path, row)
            out.write(f"row {row['step']:.0f} {row['seconds']:.6g}\n")

        session_module.append_history = append_and_note
        try:
            loop_module.train(
                Path(data),
                Run(Path(folder), scratch and Path(scratch)),
                Config.from_json(settings),
                on_step=lambda r: out.write(f"step {r.step} {r.epoch} {r.losses['loss']!r}\n"),
                log=lambda message: out.write(f"# {time.time()} {message}\n"),
                take_over=(lambda: True) if take_over else None,
            )
        except owner_module.OwnerError as error:
            out.write(f"# {time.time()} {error}\n")
            os._exit(3)
        out.write("done\n")


def _serve(data):
    # All imports are done here, but no training: autograd may start threads.
    import torch

    from ponytaco.data.dataset import open_datasets
    from ponytaco.data.dataset_folder import read_dataset
    from ponytaco.presets import preset
    from ponytaco.text.symbols import SYMBOLS

    torch.set_num_threads(1)
    config = preset("tiny")
    data_set = open_datasets(
        read_dataset(Path(data)), config.audio, SYMBOLS, "english", lambda sentence: None
    )
    assert len(data_set.train)
    while line := sys.stdin.readline():
        order = json.loads(line)
        if (pid := os.fork()) == 0:
            code = 1
            with contextlib.suppress(KeyboardInterrupt):
                try:
                    _session(data, *order)
                    code = 0
                except Exception:
                    import traceback

                    traceback.print_exc()
            os._exit(code)
        print(pid, flush=True)
        assert sys.stdin.readline() == "end\n"
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    _serve(sys.argv[1])
