import pytest

from ponytaco.runs.folder import Run, RunError, voice_files


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path / "colab" / "Zecora")


def test_paths(run):
    assert {
        name: getattr(run, name).relative_to(run.folder).as_posix()
        for name in ("current_model", "best_model", "config", "history", "alignments", "samples")
    } == {
        "current_model": "current_model",
        "best_model": "best_model",
        "config": "config.json",
        "history": "history.csv",
        "alignments": "alignments",
        "samples": "samples",
    }


def test_asking_creates_nothing(run, tmp_path):
    assert not run.resumable
    with pytest.raises(RunError):
        run.voice()
    assert not list(tmp_path.iterdir())


def test_prepare_makes_the_folders_and_can_be_repeated(run):
    run.prepare()
    (run.samples / "a.wav").write_bytes(b"1")
    run.prepare()
    assert run.alignments.is_dir()
    assert (run.samples / "a.wav").read_bytes() == b"1"
    assert not run.resumable


def test_a_folder_that_cannot_be_made_is_refused_by_name(tmp_path):
    (tmp_path / "taken").write_text("a file")
    for folder in (tmp_path / "taken", tmp_path / "taken" / "inside"):
        with pytest.raises(RunError, match="taken") as caught:
            Run(folder).prepare()
        assert "Choose another folder" in str(caught.value)


@pytest.mark.parametrize(
    "left",
    ["current_model", "best_model", "saves/step-00000007-0123456789abcdef",
     "saves/best-step-00000007-0123456789abcdef", "saves/unread-0123", "saves/.old-best"],
)  # fmt: skip
def test_whatever_model_is_left_is_resumed(run, left):
    run.prepare()
    path = run.folder / left
    path.mkdir(parents=True)
    assert not run.resumable
    path.rmdir()
    path.write_bytes(b"a model")
    assert run.resumable


def test_the_voice_is_the_best_or_else_the_newest(run):
    run.prepare()
    run.current_model.write_bytes(b"current")
    assert run.voice() == run.current_model
    run.best_model.write_bytes(b"best")
    assert run.voice() == run.best_model
    run.current_model.unlink()
    assert run.voice() == run.best_model


def test_the_earlier_best_model_is_kept_once(run):
    run.prepare()
    run.keep_earlier_best()  # nothing yet
    for content in (b"one", b"another"):
        run.current_model.write_bytes(b"current")
        run.best_model.write_bytes(content)
        run.keep_earlier_best()
        assert run.earlier_best.read_bytes() == content and not run.best_model.exists()
    run.current_model.unlink()
    run.best_model.write_bytes(b"the only one")
    run.keep_earlier_best()
    assert run.earlier_best.read_bytes() == run.best_model.read_bytes() == b"the only one"
    assert run.resumable and run.voices() == [run.best_model]


def test_a_run_without_a_voice_tells_what_to_do(run):
    with pytest.raises(RunError, match="ponytaco train") as caught:
        run.voice()
    assert str(run.folder) in str(caught.value)


def test_a_run_is_refused_in_a_dataset_folder(tmp_path):
    (tmp_path / "train.txt").write_text("wavs/1.wav|hello\n")
    with pytest.raises(RunError, match="is a dataset folder. Give the run a folder of its own"):
        Run(tmp_path).prepare()
    assert [path.name for path in tmp_path.iterdir()] == ["train.txt"]


def test_a_run_is_refused_inside_a_dataset(tmp_path):
    dataset = tmp_path / "data" / "Zecora"
    with pytest.raises(RunError, match="lies in the dataset.*such as runs/Zecora"):
        Run(dataset / "wavs").require_apart_from([tmp_path / "other", dataset])
    Run(tmp_path / "data").require_apart_from([dataset])
    Run(tmp_path / "data" / "Zecora2").require_apart_from([dataset])


# No voice


def made(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    return path


def refusal(path):
    with pytest.raises(RunError) as error:
        voice_files(path)
    message = str(error.value)
    assert str(path) in message and "\n" not in message
    return message


def test_a_wrong_name_is_answered_with_the_voices_that_are_there(tmp_path):
    made(tmp_path / "Zecora" / "best_model")
    made(tmp_path / "Rarity" / "current_model")
    made(tmp_path / "Spike.voice")
    (tmp_path / "notes").mkdir()
    message = refusal(tmp_path / "Zecra")
    assert f"Did you mean {tmp_path / 'Zecora'}?" in message
    assert message.endswith(f"The voices in {tmp_path} are: Rarity, Spike.voice, Zecora.")
    assert "Did you mean" not in refusal(tmp_path / "nobody")
    assert f"Give one, such as {tmp_path / 'Rarity'}." in refusal(tmp_path)


def test_the_message_names_what_is_there_instead_of_a_voice(tmp_path):
    made(tmp_path / "data" / "train.txt")
    assert f"ponytaco train {tmp_path / 'data'} runs/data" in refusal(tmp_path / "data")
    made(tmp_path / "young" / "config.json")
    assert "not saved a voice yet" in refusal(tmp_path / "young")
    assert "ponytaco train DATASET" in refusal(tmp_path / "nowhere" / "run")
    with pytest.raises(RunError, match="is a file"):
        Run(made(tmp_path / "file")).voices()


def test_a_file_is_its_own_only_voice(tmp_path):
    assert voice_files(made(tmp_path / "x.voice")) == [tmp_path / "x.voice"]
    made(tmp_path / "run" / "current_model"), made(tmp_path / "run" / "best_model")
    assert [path.name for path in voice_files(tmp_path / "run")] == ["best_model", "current_model"]
