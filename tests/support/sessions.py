"""Sessions of training that can be killed: processes forked from one that has torch loaded.

Run as a script it is that process: for each line on stdin it forks a session and answers with the
session's process id, then with how it ended. Forked, a session costs no import; nothing that
starts a thread is done before the fork.
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
    """Starts sessions one after the other: ``with Sessions(data) as sessions``.

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

    def start(self, folder, scratch, log, config, seed=None):
        """Start a session; the process id.

        Args:
            folder: the run's.
            scratch: of the run; None saves into the folder at once.
            log: a file that gets a line for each step and each save.
            config: the settings.
            seed: of the faults of the folder; None for a folder that works and is fast.
        """
        order = [str(folder), scratch and str(scratch), str(log), config.to_json(), seed]
        self._process.stdin.write(json.dumps(order) + "\n")
        return int(self._process.stdout.readline())

    def end(self):
        """Wait until the session has ended: 0, the number of a signal below 0, or an error.

        Only now is it reaped: until then no other process has its id.
        """
        self._process.stdin.write("end\n")
        return int(self._process.stdout.readline())


class Drive:
    """Files on a slow disk that fails now and then, and in some sessions is away for a while."""

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


def _session(data, folder, scratch, log, settings, seed):
    import ponytaco.io.store.store as store_module
    import ponytaco.training.loop as training
    import ponytaco.training.session as session_module
    from ponytaco.config import Config
    from ponytaco.runs.folder import Run

    training._REPORT_EVERY = 1
    session_module.save_pictures = lambda *args: None
    if seed is not None:
        drive = Drive(seed)
        store_module.Files = lambda: drive.files
    store_module._DELAYS = store_module._SHORT_DELAYS = (0.001,) * 5
    with open(log, "a", buffering=1) as out:

        def say_when_done(name, step_of):
            method = getattr(store_module.Store, name)

            def wrapper(self, *args):
                result = method(self, *args)
                out.write(f"saved {step_of(args, result)}\n")
                return result

            setattr(store_module.Store, name, wrapper)

        # A save is complete on the local disk before it is so on the drive.
        if scratch is None:
            say_when_done("_publish_once", lambda args, result: args[0].save.step)
        else:
            say_when_done("_write_local", lambda args, result: result.save.step)
        training.train(
            Path(data),
            Run(Path(folder), scratch and Path(scratch)),
            Config.from_json(settings),
            on_step=lambda r: out.write(f"step {r.step} {r.epoch} {r.losses['loss']!r}\n"),
            log=lambda sentence: out.write(f"# {sentence}\n"),
        )
        out.write("done\n")


def _serve(data):
    # What a session needs is loaded once, but nothing is learnt: autograd may have threads.
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
