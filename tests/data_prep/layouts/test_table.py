"""Tables as other programs write them: what is plain is read, and what is not is refused."""

import json

import pytest

from data_prep.layouts.found import RecordingsError, choose_character, describe
from data_prep.layouts.recognise import find_recordings, nothing_found

NAMES = ["s01", "s02", "s03", "s04"]
TEXTS = [
    "One, two. Buckle my shoe.", 'He said "hello there" to her.', "Café naïve – it’s 5 o’clock…",
    "Plain text without anything.",
]  # fmt: skip
WANTED = dict(zip(NAMES, TEXTS, strict=True))


@pytest.fixture
def folder(tmp_path):
    for name in NAMES:
        (tmp_path / "wavs" / f"{name}.wav").parent.mkdir(exist_ok=True)
        (tmp_path / "wavs" / f"{name}.wav").touch()
    return tmp_path


def read(folder, content, name="metadata.csv"):
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    found = find_recordings(folder)
    return {recording.sound.stem: recording.text for recording in found.recordings}, found


def rows(pattern, quoted=False):
    texts = [text.replace('"', '""') if quoted else text for text in TEXTS]
    return "".join(
        pattern.format(n=n, t=t, i=i) + "\n"
        for i, (n, t) in enumerate(zip(NAMES, texts, strict=True))
    )


PLAIN = {
    "ljspeech": rows("{n}|{t}"),
    "ljspeech of three": rows("{n}|raw {i}|{t}"),
    "empty third column": rows("{n}|{t}|"),
    "spaces around": rows("{n} | {t}"),
    "windows lines": rows("{n}|{t}").replace("\n", "\r\n"),
    "old mac lines": rows("{n}|{t}").replace("\n", "\r"),
    "speaker last": rows("{n}|{t}|Twilight"),
    "speaker of two words": rows("{n}|{t}|Twilight Sparkle"),
    "number last": rows("{n}|{t}|0"),
    "number of a speaker": rows("{n}|{t}|17"),
    "speaker between": rows("{n}|speaker1|{t}"),
    "speaker first": rows("Me|wavs/{n}.wav|{t}"),
    "two speakers": "".join(f"{n}|{t}|{'ab'[i % 2]}\n" for i, (n, t) in enumerate(WANTED.items())),
    "length last": rows("{n}|{t}|3.{i}4"),
    "gpt-sovits": rows("/home/me/data/{n}.wav|me|EN|{t}"),
    "gpt-sovits, Japanese": rows("D:\\data\\{n}.wav|hero|ja|{t}"),
    "phones last": rows("{n}|{t}|{{HH AH0 L OW1}} W ER1 L D"),
    "bare phones": rows("{n}|{t}|HH AH0 L OW1"),
    "ipa": rows("{n}|{t}|həlˈoʊ wˈɜːld"),
    "header": "id|text\n" + rows("{n}|{t}"),
    "header in capitals": "File Name|Transcription\n" + rows("{n}|{t}"),
    "header, text first": "text|audio_path\n" + rows("{t}|wavs/{n}.wav"),
    "header with speaker": "audio_file|text|speaker_name\n" + rows("wavs/{n}.wav|{t}|me"),
    "header with style": "clip|emotion|line\n" + rows("{n}|Happy|{t}"),
    "header with raw text": "file|raw_text|text\n" + rows("{n}|x {i}|{t}"),
    "header, normalised first": "file|normalized_text|text\n" + rows("{n}|{t}|x {i}"),
    "deepspeech": "wav_filename,wav_filesize,transcript\n" + rows('wavs/{n}.wav,123,"{t}"', True),
    "common voice": "client_id\tpath\tsentence\tup_votes\n" + rows("abc\t{n}.mp3\t{t}\t2"),
    "commas": rows('{n},"{t}"', True),
    "commas without quotes": rows("{n},{t}"),
    "commas and a speaker, header": "file,text,speaker\n" + rows('{n},"{t}",me', True),
    "semicolons": rows('{n};"{t}"', True),
    "semicolons without quotes": rows("{n};{t}"),
    "tabs": rows("{n}\t{t}"),
    "quoted cells": rows('"{n}"|"{t}"', True),
    "pandas with pipes": rows('{n}|"{t}"', True),
    "quoted lines of excel": rows('"{n}|{t}"', True),
    "with suffix": rows("{n}.wav|{t}"),
    "another suffix": rows("{n}.mp3|{t}"),
    "suffix in capitals": rows("{n}.WAV|{t}"),
    "name in capitals": rows("{n}|{t}").replace("s0", "S0"),
    "with folder": rows("./wavs/{n}.wav|{t}"),
    "backslash": rows("wavs\\{n}.wav|{t}"),
    "colab": rows("/content/drive/MyDrive/set/wavs/{n}.wav|{t}"),
    "windows": rows("C:\\Users\\me\\{n}.wav|{t}"),
    "another folder of sounds": rows("audio/{n}.wav|{t}"),
    "a style last": rows("{n}|{t}|Happy"),
    "rows of kaldi": rows("{n}  {t}"),
    "semicolons, first line for excel": "sep=;\n" + rows("{n};{t}"),
    "a comment": "# recorded in May\n" + rows("{n}|{t}"),
    "utf-16": rows("{n}|{t}").encode("utf-16"),
    "utf-8 with mark": rows("{n}|{t}").encode("utf-8-sig"),
    "cp1252": rows("{n}|{t}").encode("cp1252"),
    "blank lines": rows("{n}|{t}\n"),
}


@pytest.mark.parametrize("kind", PLAIN)
def test_plain_tables_are_read(folder, kind):
    assert read(folder, PLAIN[kind])[0] == WANTED


@pytest.mark.parametrize(
    "name",
    ["metadata.csv", "Metadata.CSV", "texts.csv", "metadata.txt", "list.txt", "train.txt",
     "transcripts.tsv", "me.list", "files.lst"],
)  # fmt: skip
@pytest.mark.parametrize("depth", ["", "LJSpeech-1.1", "a/b"])
def test_tables_of_any_name_in_any_folder(tmp_path, name, depth):
    for sound in NAMES:
        (tmp_path / depth / "audio").mkdir(parents=True, exist_ok=True)
        (tmp_path / depth / "audio" / f"{sound}.flac").touch()
    (tmp_path / depth / name).write_text(rows("{n}.wav|{t}"), encoding="utf-8")
    found = find_recordings(tmp_path)
    assert {r.sound.stem: r.text for r in found.recordings} == WANTED and not found.left_out


@pytest.mark.parametrize(
    "entry",
    [
        lambda n, t: {"file_name": f"wavs/{n}.wav", "text": t},
        lambda n, t: {"audio": f"{n}.wav", "duration": 1.5, "transcription": t, "id": 7},
        lambda n, t: {"speaker": "me", "audio_filepath": f"/x/{n}.wav", "sentence": t},
    ],
)
def test_json_lines(folder, entry):
    content = "\n".join(json.dumps(entry(n, t)) for n, t in WANTED.items())
    assert read(folder, content, "metadata.jsonl")[0] == WANTED


@pytest.mark.parametrize(
    "content",
    [WANTED, [{"file": n, "text": t} for n, t in WANTED.items()],
     {n: {"text": t, "speaker": "me"} for n, t in WANTED.items()}],
)  # fmt: skip
def test_json(folder, content):
    assert read(folder, json.dumps(content), "metadata.json")[0] == WANTED


@pytest.mark.parametrize("numbers", ["0101", "0120", "5757", "0001"])
def test_numbers_that_come_again_are_speakers(folder, numbers):
    content = "".join(f"{n}|{i}|{t}\n" for n, i, t in zip(NAMES, numbers, TEXTS, strict=True))
    _, found = read(folder, content)
    with pytest.raises(RecordingsError, match="If this is not who speaks, write a header"):
        choose_character(found, "Me", folder)
    choose_character(found, numbers[0], folder)
    assert len(found.recordings) == numbers.count(numbers[0])


@pytest.mark.parametrize("styles", [["happy", "Sad", "NEUTRAL", "Canterlot Voice"], ["Sad"] * 4])
def test_a_column_of_styles_gives_tags(folder, styles):
    content = "".join(f"{n}|{t}|{s}\n" for n, t, s in zip(NAMES, TEXTS, styles, strict=True))
    _, found = read(folder, content)
    assert [r.tags for r in found.recordings] == [(s,) for s in styles]
    assert set(found.characters) == {""}


DOUBTFUL = {
    "no columns": "s01|either | or\ns02|a|b|c\ns03|plain\n",
    "two single words": "s01|Twilight|Hello\ns02|Rarity|Bye\n",
    "one text for all": "s01|speaker1\ns02|speaker1\ns03|speaker1\n",
    "a text and its translation": "s01\tGood morning\tGuten Tag allerseits, wie geht es\n"
    "s02\tWhat is that\tEtwas ganz anderes hier\n",
    "three texts": rows("{n}|{t}|what {i} is this|other {i} words here"),
    "two kinds of names": "s01|A fine text.|Twilight|Kitchen\ns02|Another text.|Rarity|Hall\n"
    "s03|And a third text.|Twilight|Hall\ns04|The last text.|Rarity|Kitchen\n",
    "header without texts": "file|speaker\ns01|me\n",
}


@pytest.mark.parametrize("kind", DOUBTFUL)
def test_in_doubt_two_rows_are_shown(folder, kind):
    with pytest.raises(RecordingsError, match="not plain which column is what.*header") as error:
        read(folder, DOUBTFUL[kind])
    assert "s01" in str(error.value) or "S01" in str(error.value)


@pytest.mark.parametrize(
    ("content", "texts", "reasons"),
    [
        # One lone quotation mark takes no other row.
        ('s01,"One, two.\ns02,two two\ns03,three\n', {"s02": "two two", "s03": "three"},
         ["row 1: a quotation mark is never closed"]),
        ('s01,one\ns02,"two\ns03,three\ns04,"four"\n',
         {"s01": "one", "s03": "three", "s04": "four"}, ["row 2: a quotation mark"]),
        # A text with line breaks.
        ('s01,one\ns02,"two\nlines"\ns03,three\n', {"s01": "one", "s03": "three"},
         ["row 2: its text has line breaks"]),
        ('s01;one\ns02;"two\n\nlines, and ""more"""\ns03;three\n', {"s01": "one", "s03": "three"},
         ["row 2: its text has line breaks"]),
        # Surplus cells.
        ("s01|one\ns02|either | or\ns03|three\n", {"s01": "one", "s03": "three"},
         ["row 2: has 3 cells where others have 2"]),
        ("file,text,who\ns01,One, two. Three.,me\ns02,four,me\n",
         {"s01": "One, two. Three.", "s02": "four"}, []),
        ('s01,"either | or"\ns02,two\n', {"s01": "either | or", "s02": "two"}, []),
        ("s01,One, two, three.\ns02,Four, five.\n",
         {"s01": "One, two, three.", "s02": "Four, five."}, []),
        # What is missing.
        ("s01|a text\nlost|x\ns03|\n|orphan\ns01|again\n", {"s01": "a text"},
         ["row 2: there is no audio file lost", "row 3: has no name or no text",
          "row 4: has no name or no text", "row 5: s01 already has a text"]),
        ("s01|a\nother/s02|b\n", {"s01": "a", "s02": "b"}, []),
    ],
)  # fmt: skip
def test_rows_are_refused_by_number_and_never_shortened(folder, content, texts, reasons):
    got, found = read(folder, content)
    assert got == texts
    said = [str(entry) for entry in found.left_out if ", row " in str(entry)]
    assert len(said) == len(reasons)
    assert all(reason in sentence for reason, sentence in zip(reasons, said, strict=True))


def test_a_path_into_another_folder_leads_nowhere(tmp_path):
    for path in ("a/1.wav", "b/2.wav"):
        (tmp_path / path).parent.mkdir()
        (tmp_path / path).touch()
    got, found = read(tmp_path, "a/1|In a.\nb/1|Not there.\na/2|Not there either.\nb/2|In b.\n")
    assert got == {"1": "In a.", "2": "In b."}
    assert [str(entry) for entry in found.left_out] == [
        "metadata.csv, row 2: there is no audio file b/1.",
        "metadata.csv, row 3: there is no audio file a/2.",
    ]


def test_rows_of_several_folders_do_not_share_a_sound(folder):
    got, found = read(folder, "a/s01|In a.\nb/s01|In b.\na/s02|Second.\n")
    assert got == {"s02": "Second."}
    assert "rows name it in several folders, a, b" in " ".join(map(str, found.left_out))


def test_a_name_that_fits_several_sounds_is_refused(tmp_path):
    for path in ("a/1.wav", "b/1.wav", "a/2.wav"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    got, found = read(tmp_path, "1|Which?\n2|This.\na/1|Plain.\n")
    assert got == {"2": "This.", "1": "Plain."}
    assert "several sounds fit 1: a/1.wav, b/1.wav" in str(found.left_out[0])


@pytest.mark.parametrize(("names", "written"), [("0001", "1"), ("07", "7"), ("000", "0")])
def test_numbers_that_excel_shortened(tmp_path, names, written):
    (tmp_path / f"{names}.wav").touch()
    assert read(tmp_path, f"{written},A text.\n")[0] == {names: "A text."}


def test_several_tables_are_read_together(folder):
    (folder / "metadata_eval.csv").write_text("s03|Three.\ns04|Four.\n")
    got, found = read(folder, "s01|One.\ns02|Two.\n", "metadata_train.csv")
    assert got == {"s01": "One.", "s02": "Two.", "s03": "Three.", "s04": "Four."}
    assert "metadata_eval.csv, metadata_train.csv" in found.layout and not found.left_out
    (folder / "metadata_eval.csv").write_text("s01|One.\ns03|Three.\n")  # the same again
    assert len(find_recordings(folder).recordings) == 3
    (folder / "metadata_eval.csv").write_text("s01|Another one.\ns03|Three.\n")
    with pytest.raises(RecordingsError, match="s01.wav different texts: “Another one.” and “One.”"):
        find_recordings(folder)


@pytest.mark.parametrize("content", ["date,mic\n2024-01-01,Blue Yeti\n", "take;good\n1;yes\n", ""])
def test_an_unrelated_table_is_named_and_blocks_nothing(folder, content):
    for name in NAMES:
        (folder / "wavs" / f"{name}.txt").write_text(f"Text of {name}.")
    got, found = read(folder, content, "takes.csv")
    assert len(got) == 4
    assert ["takes.csv" in str(entry) for entry in found.left_out] == [True]


@pytest.mark.parametrize("name", ["texts.xlsx", "texts.ods", "texts.parquet"])
def test_spreadsheets_are_named(folder, name):
    (folder / name).write_bytes(b"PK")
    found = find_recordings(folder)
    assert "Save it as a table of text: CSV in UTF-8" in " ".join(map(str, found.left_out))
    assert not found.recordings


def test_a_table_that_leads_to_nothing_shows_its_rows_and_the_sounds(folder):
    (folder / "metadata.csv").write_text("s01-mel.npy|s01-spec.npy|500|Text.\n")
    message = nothing_found(folder, find_recordings(folder))
    assert "“s01-mel.npy|s01-spec.npy|500|Text.”" in message and "wavs/s01.wav" in message


def test_sounds_without_a_row_are_named(folder):
    _, found = read(folder, "s01|One.\n")
    assert found.without_text == 3
    assert str(found.left_out[0]) == "s02.wav: no row of metadata.csv names it."


def test_several_speakers_are_named_and_one_is_chosen(folder):
    content = "file|text|speaker\ns01|One.|Twilight\ns02|Two.|Rarity\ns03|Three.|twilight sparkle\n"
    (folder / "metadata.csv").write_text(content.replace("twilight s", "Twilight S"))
    with pytest.raises(RecordingsError, match=r"clips of Twilight Sparkle \(2\), Rarity \(1\)"):
        choose_character(find_recordings(folder), "", folder)
    with pytest.raises(RecordingsError, match='There is no Spike.*--character "Twilight Sparkle"'):
        choose_character(find_recordings(folder), "Spike", folder)
    for name in ("Twilight", "twilight sparkle"):
        found = find_recordings(folder)
        choose_character(found, name, folder)
        assert [r.text for r in found.recordings] == ["One.", "Three."] and len(
            found.of_others
        ) == 1


def test_one_speaker_may_have_any_name(folder):
    (folder / "metadata.csv").write_text(rows("{n}|{t}|speaker1"), encoding="utf-8")
    found = find_recordings(folder)
    choose_character(found, "Me", folder)
    assert len(found.recordings) == 4


def test_tags_and_noise_of_a_table(folder):
    _, found = read(folder, "file|text|emotion|noise\ns01|One.|Happy, Smug|verynoisy\n")
    assert found.recordings[0].tags == ("Happy", "Smug")
    assert found.recordings[0].noise == "Very Noisy"


def test_what_was_understood_is_described(folder):
    _, found = read(folder, "wavs/s01.wav|One.|me\nwavs/s02.wav|Two.|me\nlost|Three.|me\n")
    assert describe(found) == [
        "Understood as a table, metadata.csv, without a header, cells parted by |.",
        "  column 1: sound      “wavs/s01.wav”   “wavs/s02.wav”",
        "  column 2: text       “One.”   “Two.”",
        "  column 3: character  “me”   “me”",
        "Characters: me (2).",
        "2 clips with sound and text, 2 sounds without a text, 1 text without a sound.",
    ]
