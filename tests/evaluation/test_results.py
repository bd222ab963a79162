import json
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from ponytaco.evaluation.charts import heatmap, line_chart
from ponytaco.evaluation.html_report import report_page, verdict
from ponytaco.evaluation.results import (
    NEVER_STOPPED,
    STOPPED_EARLY,
    TOO_LONG,
    Group,
    Media,
    Results,
    TextResult,
    stop_error,
)
from ponytaco.metrics.alignment import AlignmentScore
from ponytaco.training.validation import SpokenClip, Validation

ALIGNED = AlignmentScore(0.8, 1.0, 1.0, 1.0, 0.1, 1.0)
LOST = AlignmentScore(0.2, 0.5, 0.5, 2.0, 0.6, 0.0, 0.3)
HOSTILE = "<script>alert(1)</script>\"'& <img src=x onerror=alert(2)>"


def text(name="1", words="my pony ran", heard="my pony ran", **changes):
    said = words.split()
    values = dict(
        name=name, text=words, seconds=1.5, alignment=ALIGNED, stop_error="", skipped=[],
        repeated=[], said=said, heard=None if heard is None else heard.split(),
    )  # fmt: skip
    return TextResult(**{**values, **changes})


def media(real=False):
    return Media(b"fLaC", b"fLaC" if real else None, np.zeros((8, 5)), np.eye(5, 4))


def results(clips=(), new=(), **changes):
    empty = np.zeros((2, 2), dtype=np.float32)
    clip = SpokenClip(empty, empty, empty, empty, empty[0])
    validation = Validation(100, 1.5, ALIGNED, ALIGNED, 1.0, 0.6, 4.0, 1.0, 0.1, clip)
    values = dict(
        name="Zecora", step=100, first_aligned=50, vocoder="griffin_lim", recogniser="an echo",
        new_recogniser="an echo",
        validation=validation, clips=Group(list(clips), [media(True) for _ in clips]),
        new=Group(list(new), [media() for _ in new]), ceiling=0.02, n_ceiling_clips=20,
    )  # fmt: skip
    return Results(**{**values, **changes})


@pytest.mark.parametrize(
    ("stopped", "end_reached", "seconds", "said"),
    [
        (True, True, 2.0, ""),
        (True, True, 1.3, ""),
        (True, True, 2.9, ""),
        (False, True, 2.0, NEVER_STOPPED),
        (False, False, 9.0, NEVER_STOPPED),
        (True, False, 2.0, STOPPED_EARLY),
        (True, True, 1.1, STOPPED_EARLY),
        (True, True, 3.1, TOO_LONG),
    ],
)
def test_stop_errors(stopped, end_reached, seconds, said):
    assert stop_error(stopped, end_reached, seconds, 2.0) == said


def test_error_rates_of_a_group():
    group = Group(
        [text(heard="my pony"), text(heard=None), text(words="a", heard="a", real_heard=["b"])], []
    )
    assert group.word_error_rate == pytest.approx(1 / 4)
    assert group.real_word_error_rate == 1.0
    assert Group([text(heard=None)], []).word_error_rate is None
    assert Group([text(words="", heard=None)], []).word_error_rate is None


def test_shares_of_words_leave_out_what_could_not_be_followed():
    group = Group([text(skipped=["pony"]), text(skipped=None, repeated=None)], [])
    assert group.skipped == pytest.approx(1 / 3) and group.repeated == 0
    assert Group([], []).skipped is None


def test_the_worst_comes_first():
    best, misheard = text("fine"), text("misheard", heard="my dragon ran")
    unended = text("unended", stop_error=NEVER_STOPPED)
    lost = text("lost", alignment=LOST, skipped=["my", "pony"], heard="")
    page = report_page(results(new=[best, misheard, unended, lost]), [])
    places = [
        page.index(f"new sentence {name}") for name in ("lost", "unended", "misheard", "fine")
    ]
    assert places == sorted(places)


def test_json_has_no_numbers_that_are_none():
    found = results(clips=[text(mel_cepstral_distortion_db=float("nan"), length=float("inf"))])
    content = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert content["clips"]["texts"][0]["mel_cepstral_distortion_db"] is None
    assert content["clips"]["stop_errors"] == {NEVER_STOPPED: 0, STOPPED_EARLY: 0, TOO_LONG: 0}
    assert content["new"]["word_error_rate"] is None


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen, self.attributes = [], set()

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.attributes |= {name for name, _ in attrs}


def test_hostile_texts_are_only_text():
    bad = text(
        HOSTILE, words=HOSTILE, heard=HOSTILE + " x", skipped=[HOSTILE], repeated=[HOSTILE],
        stop_error=NEVER_STOPPED,
    )  # fmt: skip
    found = results(
        clips=[bad], new=[bad], name=HOSTILE, recogniser=HOSTILE, vocoder=HOSTILE, notes=[HOSTILE]
    )
    page = report_page(found, [{"step": 1.0, "loss": 2.0}])
    tags = Tags()
    tags.feed(page)
    assert "script" not in tags.seen and "onerror" not in tags.attributes
    assert "&lt;script&gt;" in page


def test_the_verdict_compares_with_the_ceiling():
    near = " ".join(verdict(results(new=[text() for _ in range(9)])))
    assert "about as easy to understand" in near and "reads new sentences through" in near
    far = " ".join(verdict(results(new=[text(heard="a b c", alignment=LOST)])))
    assert "not yet as easy to understand" in far and "Train it longer" in far
    unheard = results(new=[text(heard=None)], ceiling=None, recogniser=None)
    assert "misheard" not in " ".join(verdict(unheard))


def test_a_history_is_drawn_and_gaps_are_not():
    rows = [
        {"step": 10.0, "loss": 5.0},
        {"step": 20.0, "loss": float("nan")},
        {"step": 30.0, "loss": 1.0, "val_loss": 2.0, "score": 0.4, "free_focus": 0.5},
    ]
    page = report_page(results(new=[text()]), rows)
    assert "nan" not in page and page.count("<polyline") == 4
    assert "How it learnt" not in report_page(results(new=[text()]), [])


def test_charts_of_little():
    assert line_chart([("a", [])]) == "" and line_chart([("a", [(1, -1)])], True) == ""
    assert "<circle" in line_chart([("<b>", [(1, 2.0)])], True)
    assert "&lt;b&gt;" in line_chart([("<b>", [(1, 2.0)])])
    many = line_chart([("a", [(i, 1.0 + i) for i in range(5000)])])
    assert len(many) < 20_000 and "4,999" in many
    assert heatmap(np.full((2, 2), np.nan), "x").startswith("<img")


def test_a_long_list_is_cut_and_said():
    found = results(new=[text(str(i)) for i in range(130)])
    page = report_page(found, [])
    assert page.count("<audio") == 100 and "30 better ones" in page


def test_levels_are_marked():
    page = report_page(results(new=[text(heard="x y z")]), [])
    assert 'class="poor"' in page
    good = replace(results(new=[text()]), ceiling=0.0)
    assert 'class="good"' in report_page(good, [])


def test_two_recognisers_are_told_apart():
    found = results([text("One.", "a b", "a b")], [text("Two.", "a b", "a b")])
    assert "Recognised by an echo. The" in report_page(found, [])
    found = replace(found, new_recogniser="a parrot")
    assert (
        "Recognised by an echo; the new sentences and the 20 real clips by a parrot."
        in report_page(found, [])
    )
