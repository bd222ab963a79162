import json

import pytest

from data_prep.alignment import pool
from data_prep.alignment.pool import AlignmentError, AlignmentPool, Sound
from data_prep.archive_writer import ArchiveWriter
from data_prep.dataset_writer import prepare
from data_prep.labels import make_label
from data_prep.options import ClipOptions
from data_prep.recordings import pack
from data_prep.soundtools import index_archive, read_clips


@pytest.fixture
def archive(tmp_path, spoken):
    """Clips without phone times; the last one's text is not what is said."""
    path = tmp_path / "Me.tar"
    texts = [sentence.text for sentence in spoken]
    with ArchiveWriter(path) as writer:
        for number, sentence in enumerate(spoken):
            text = texts[number] if number < 3 else texts[0]
            seconds = len(sentence.waveform) / sentence.sample_rate
            label = make_label(text, seconds, "Me", "recordings")
            writer.add(f"clip{number}", sentence.waveform, sentence.sample_rate, label)
    return path


def test_recordings_are_prepared_like_an_archive_with_times(archive, tmp_path, dictionary):
    out = tmp_path / "Me"
    report = prepare(archive, out, progress=False).report
    assert report["alignments"] == {
        "kept": 3, "dropped": 0, "without_phones": 1, "found_here": 3,
    }  # fmt: skip
    assert report["suspicious"] == 1 and report["suspicious_examples"][0].startswith("clip3: ")
    assert (out / "suspicious.csv").read_text().splitlines()[1].startswith("clip3,")
    lines = [json.loads(line) for line in (out / "alignments.jsonl").read_text().splitlines()]
    texts = (out / "train.txt").read_text() + (out / "val.txt").read_text()
    for line in lines:
        phones = " ".join(content for content, _, _ in line["tokens"])
        (row,) = (row for row in texts.splitlines() if f"/{line['ref']}.wav" in row)
        assert (
            row.split("|")[2].replace("{", "").replace("}", "").rstrip(".?!").replace(",", "")
            == phones
        )
    assert not prepare(archive, out, progress=False).fresh


def test_alignment_can_be_left_out_and_made_up_for(archive, tmp_path, dictionary):
    out = tmp_path / "Me"
    off = prepare(archive, out, ClipOptions(align=False), progress=False).report
    assert off["alignments"]["kept"] == 0 and not off["suspicious"] and not off["aligner"]
    assert prepare(archive, out, progress=False).report["alignments"]["kept"] == 3


def test_what_is_prepared_without_an_aligner_is_prepared_again(
    archive, tmp_path, dictionary, monkeypatch
):
    out = tmp_path / "Me"
    with monkeypatch.context() as patch:
        patch.setattr(pool, "is_installed", lambda: False)
        assert prepare(archive, out, progress=False).report["alignments"]["kept"] == 0
        assert not prepare(archive, out, progress=False).fresh
    assert prepare(archive, out, progress=False).report["alignments"]["kept"] == 3


def test_pack_writes_times_into_the_labels(tmp_path, spoken, dictionary):
    import soundfile

    folder, out = tmp_path / "in", tmp_path / "Me.tar"
    folder.mkdir()
    for number, sentence in enumerate(spoken):
        soundfile.write(folder / f"{number}.wav", sentence.waveform, sentence.sample_rate)
        text = spoken[0].text if number == 3 else sentence.text
        (folder / f"{number}.txt").write_text(text)
    packed = pack(folder, out, "Me")
    labels = [json.loads(clip.label) for clip in read_clips(index_archive(out))]
    assert [bool(label["phones"]) for label in labels] == [True, True, True, False]
    assert [name for name, _ in packed.suspicious] == ["3"]
    assert (tmp_path / "Me.suspicious.csv").exists()
    off = pack(folder, out, "Me", overwrite=True, align=False)
    assert off.suspicious == () and not (tmp_path / "Me.suspicious.csv").exists()
    labels = [json.loads(clip.label) for clip in read_clips(index_archive(out))]
    assert not any(label["phones"] for label in labels)


@pytest.mark.slow
def test_several_processes_give_the_same_in_the_same_order(spoken, dictionary, monkeypatch):
    def outcomes(per_process):
        monkeypatch.setattr(pool, "CLIPS_PER_PROCESS", per_process)
        monkeypatch.setattr(pool.os, "sched_getaffinity", lambda pid: {0, 1}, raising=False)
        with AlignmentPool(len(items)) as workers:
            return list(workers.outcomes(items, lambda item: item))

    items = [Sound(s.text, s.waveform, s.sample_rate) for s in spoken]
    items.insert(1, None)
    assert outcomes(per_process=2) == outcomes(per_process=100)


def test_a_process_that_dies_is_explained(spoken, dictionary, monkeypatch):
    from concurrent.futures import Future
    from concurrent.futures.process import BrokenProcessPool

    class Dead:
        def submit(self, *job):
            future = Future()
            future.set_exception(BrokenProcessPool())
            return future

        def shutdown(self, **how):
            pass

    item = Sound(spoken[0].text, spoken[0].waveform, spoken[0].sample_rate)
    workers = AlignmentPool(1)
    monkeypatch.setattr(workers, "_n_processes", 2)
    monkeypatch.setattr(workers, "_executor", Dead())
    with pytest.raises(AlignmentError, match="--align off"), workers:
        list(workers.outcomes([item], lambda item: item))
