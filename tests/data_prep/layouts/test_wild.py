"""Tables and texts by strangers: read, or a sentence; never a traceback."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.soak import often

from data_prep.layouts.found import RecordingsError, choose_character, describe
from data_prep.layouts.recognise import find_recordings
from data_prep.layouts.sliced_dialogue import parse_name

WILD = st.text(
    st.characters(codec="utf-8")
    | st.sampled_from('|;,\t\n\r"\\/._:-0123456789ab{}[]<>\u2028\ufeff\ufffd'),
    max_size=60,
)
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b.wav", "wavs/c", "../a", "x", "", '"a"', "file", "1", "C:\\a.wav"]),
        st.sampled_from(["|", ",", ";", "\t", " ", ', "', '","']),
        WILD,
    ),
    max_size=6,
).map(lambda rows: "\n".join("".join(row) for row in rows))


@settings(
    max_examples=often(120),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.sampled_from(["metadata.csv", "m.jsonl", "m.json", "list.txt", "a.txt", "a.srt", "text"]),
    ROWS.map(str.encode) | WILD.map(str.encode) | st.binary(max_size=80),
)
@example("m.json", b"[" * 50_000)
@example("m.json", b'{"a": 1, "b": "x"}')
@example("m.jsonl", b'{"file": ["a", "b"], "text": 1e400}')
@example("a.txt", b"1e400\t2\tx")
@example("a.txt", b"99999:00:00,000 --> 00:00:01,000\nx")
def test_any_file_is_read_or_refused_in_a_sentence(tmp_path, name, content):
    for sound in ("a.wav", "b.wav", "wavs/c.flac", "1.wav"):
        (tmp_path / sound).parent.mkdir(exist_ok=True)
        (tmp_path / sound).touch()
    (tmp_path / name).write_bytes(content)
    try:
        found = find_recordings(tmp_path)
        choose_character(found, "", tmp_path)
        assert all(line.strip() for line in describe(found))
        assert all(r.text and r.sound.is_file() for r in found.recordings)
        assert all("\n" not in r.text for r in found.recordings)
        assert all(str(entry) for entry in found.left_out)
    except RecordingsError as error:
        assert str(error)
    finally:
        (tmp_path / name).unlink()


@given(WILD)
@pytest.mark.parametrize("start", ["", "00_00_00_", "00_00_00_Me_Happy_Noisy_"])
def test_any_name_of_a_clip(start, wild):
    told = parse_name(start + wild)
    assert told is None or told.character
