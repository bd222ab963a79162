import numpy as np
import pytest
from support.judges import ECHO, fake_judges

from ponytaco.judges.judge import Judges, Opinion, Verdict, mean_verdict, open_judges

SOUND = np.zeros(1600, dtype=np.float32)


def test_the_share_is_of_all_words_and_no_text_counts_for_more_than_its_own():
    opinions = [
        Opinion(["my", "pony"], None, None),
        Opinion(["la", "la", "la", "la", "la", "la", "la", "la"], None, None),
        Opinion([], None, None),
    ]
    found = mean_verdict(opinions, ["My pony.", "Ran away", "Five more words than that."])
    assert found == Verdict(2 / 9, None, None)


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        ("In 1920 she had $5.", "In nineteen twenty, she had five dollars"),
        ("Dr. Whooves & friends", "doctor Whooves and friends"),
        ("twenty-one apples", "21 apples."),
        ("It’s here", "it's here"),
    ],
)
def test_numbers_signs_and_titles_are_written_out_on_both_sides(text, heard):
    opinion = Opinion(Judges.said(heard), None, None)
    assert mean_verdict([opinion], [text]).understood == 1.0


def test_texts_of_phones_and_no_texts_count_for_nothing():
    assert mean_verdict([Opinion(["hello"], 2.0, 0.5)], ["{HH AH0 L OW1}"]) == Verdict(
        None, 2.0, 0.5
    )
    assert mean_verdict([], []) == Verdict(None, None, None)


def test_a_verdict_stands_beside_its_ceiling():
    voice, clips = Verdict(0.624, 2.1, 0.81), Verdict(0.96, 4.34, 0.94)
    assert voice.beside(clips) == (
        "62 % of words understood (the clips: 96 %), MOS 2.1 (4.3), likeness 0.81 (0.94)"
    )
    without_ears = Verdict(None, 2.1, 0.81).beside(Verdict(None, 4.3, 0.94))
    assert without_ears == "MOS 2.1 (the clips: 4.3), likeness 0.81 (0.94)"
    assert Verdict(None, None, None).beside(clips) == ""


def test_each_sound_gets_an_opinion_of_every_judge():
    judges = fake_judges(["My pony!", "{ha} 2"], [2.0, 3.0])
    judges.remember([SOUND + 1], 16_000)
    first, second = judges.listen([SOUND + 1, SOUND + 2], 16_000)
    assert first == Opinion(["my", "pony"], 2.0, pytest.approx(1.0))
    assert second.heard == ["ha", "two"] and second.mos == 3.0


def test_missing_judges_have_no_opinion():
    assert Judges(None, None, None).listen([SOUND], 22_050) == [Opinion(None, None, None)]
    assert not Judges(None, None, None).present and Judges(None, ECHO, None).present
    # No voice to compare with.
    assert fake_judges(["a"], [1.0]).listen([SOUND], 16_000)[0].likeness is None


def test_sounds_that_overflowed_are_judged_too():
    seen = []
    judges = Judges(None, lambda sounds: seen.extend(sounds) or [1.0], None)
    judges.listen([np.array([np.nan, np.inf, 0.5] * 1000, dtype=np.float32)], 22_050)
    assert np.isfinite(seen[0]).all() and len(seen[0]) == pytest.approx(3000 * 16_000 / 22_050, 1)


def test_without_packages_each_judge_tells_why_it_is_missing(monkeypatch):
    for module in ("whisper", "mos", "likeness"):
        monkeypatch.setattr(f"ponytaco.judges.{module}._PACKAGE", f"no_{module}")
    judges = open_judges()
    assert not judges.present and len(judges.missing) == 3
    assert all("not installed" in sentence for sentence in judges.missing)
