"""From an archive to batches: preparation, mel cache and loader.

``python -m benchmarks.data [--quick] [--save]``. With real speech (CONTRIBUTING: PONYTACO_SHARED),
else with the demo voice.
"""

from __future__ import annotations

import itertools
import os
import tempfile
from pathlib import Path

from torch.utils.data import DataLoader

from benchmarks.report import Report, options
from data_prep.dataset_writer import prepare
from data_prep.demo.espeak import write_demo_archive
from ponytaco.config import Config
from ponytaco.data.dataset import ClipDataset, Datasets, open_datasets
from ponytaco.data.dataset_folder import DatasetFolder, read_dataset
from ponytaco.data.loader import collate, training_batches
from ponytaco.data.sampler import BucketSampler
from ponytaco.device import choose_device
from ponytaco.evaluation.speed import made_up_batch, training_step
from ponytaco.presets import preset
from ponytaco.runs.state import RunState
from ponytaco.text.symbols import SYMBOLS
from ponytaco.timing import seconds_of, take_turns


def main() -> None:
    """Print the tables."""
    arguments = options(__doc__).parse_args()
    report = Report("benchmarks.data", "From an archive to the batches of a training")
    config = preset("small")
    with tempfile.TemporaryDirectory() as folder:
        archive = _archive(Path(folder), 40 if arguments.quick else 400)
        out = Path(folder) / "data"
        preparing = seconds_of(lambda: prepare(archive, out, progress=False))
        dataset = read_dataset(out)
        mels = seconds_of(lambda: _open(dataset, config))
        data = _open(dataset, config)
        n_clips = len(data.train) + len(data.val)
        frames = sum(data.train.lengths) + sum(data.val.lengths)
        audio_seconds = frames * config.audio.hop_length / config.audio.sample_rate
        again = take_turns(
            {
                "prepare": lambda: prepare(archive, out, progress=False),
                "open": lambda: _open(dataset, config),
            },
            arguments.rounds,
        )
        report.log(f"{archive.name}: {n_clips} clips, {audio_seconds / 60:.1f} minutes.")
        report.table(
            ["work", "x real time", "the second time, share of the first"],
            [
                ["prepare", audio_seconds / preparing, again.median("prepare") / preparing],
                ["mels", audio_seconds / mels, again.median("open") / mels],
            ],
        )
        _loading(report, config, dataset, data, arguments.rounds)
    if arguments.save:
        report.save()


def _archive(folder: Path, n_clips: int) -> Path:
    beside = Path(__file__).resolve().parents[2] / "shared"
    shared = Path(os.environ.get("PONYTACO_SHARED", beside))
    real = shared / "data" / "soundtools" / "audio-trimmed-22khz" / "LJ.tar"
    if real.is_file():
        return real
    write_demo_archive(folder / "Demo.tar", n_clips)
    return folder / "Demo.tar"


def _open(dataset: DatasetFolder, config: Config) -> Datasets:
    return open_datasets(dataset, config.audio, SYMBOLS, config.train.cleaner)


def _sampler(data: ClipDataset, config: Config) -> BucketSampler:
    return BucketSampler(data.lengths, config.train.batch_size, 0, config.train.p_arpabet)


def _loading(
    report: Report, config: Config, dataset: DatasetFolder, data: Datasets, rounds: int
) -> None:
    """Compare the time to load a batch with that of its training step."""
    train = data.train
    n_batches = min(10, len(_sampler(train, config).remaining()))
    picks = _sampler(train, config).remaining()[:n_batches]
    clips = [[train[pick] for pick in batch] for batch in picks]
    device = choose_device("auto")
    step = training_step(config, made_up_batch(config, device), RunState())

    def unread() -> ClipDataset:
        labels = [dataset.alignments.get(clip.ref) for clip in train.clips]
        cleaner, audio = config.train.cleaner, config.audio
        return ClipDataset(train.clips, train.mels, labels, SYMBOLS, cleaner, audio)

    of_epochs = training_batches(train, _sampler(train, config), 0)

    def load_all(source: ClipDataset) -> None:
        for _ in DataLoader(source, batch_sampler=picks, collate_fn=collate):
            pass

    unread_ones = [unread() for _ in range(rounds + 1)]  # one for the warm-up
    timings = take_turns(
        {
            "step": step,
            "first epoch": lambda: load_all(unread_ones.pop()),
            "later epochs": lambda: load_all(train),
            "endless": lambda: list(itertools.islice(of_epochs, n_batches)),
            "collate": lambda: [collate(batch) for batch in clips],
            "mels": lambda: [train.mels[pick.clip] for batch in picks for pick in batch],
        },
        rounds,
    )
    report.log(
        f"A batch of {config.train.batch_size} clips, beside a step of preset 'small' on clips of "
        "4 s. After a clip's spelling has been read once, only its mel is loaded:"
    )
    rows = [
        (name, timings.ratio(key, to="step") / n_batches)
        for name, key in (
            ("the first epoch", "first epoch"),
            ("later epochs", "later epochs"),
            ("the first epochs, spellings drawn anew", "endless"),
            ("of it collating", "collate"),
            ("of it finding the mels", "mels"),
        )
    ]
    report.table(["loading", "share of a step"], [[name, f"{share:.2%}"] for name, share in rows])
    n_clips = sum(len(batch) for batch in picks)
    text = take_turns(
        {"text": lambda: [train._read_text(p.clip, True) for b in picks for p in b]},
        rounds,
    )
    report.log(
        f"Reading a clip's text and matching it with its labels takes "
        f"{text.median('text') / n_clips * 1e3:.2f} ms, once a spelling."
    )


if __name__ == "__main__":
    main()
