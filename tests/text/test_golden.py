import json

import pytest
from support.paths import GOLDEN

from ponytaco.text.encode import clean, ctc_targets, ids_to_text, text_to_ids
from ponytaco.text.symbols import CTC_SYMBOLS, NVIDIA_SYMBOLS, STYLE_SIGNS, SYMBOLS

GOLDEN = json.loads((GOLDEN / "text_cases.json").read_text(encoding="utf-8"))
CASES = pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["text"][:20])


def test_the_tables_are_the_seeds_index_for_index():
    assert list(SYMBOLS) == GOLDEN["symbols"]
    assert list(CTC_SYMBOLS) == GOLDEN["ctc_symbols"]


def test_nvidias_table_differs_from_ours_in_one_place():
    assert len(NVIDIA_SYMBOLS) == 148
    differences = [
        (theirs, ours) for theirs, ours in zip(NVIDIA_SYMBOLS, SYMBOLS, strict=False)
        if theirs != ours
    ]  # fmt: skip
    assert differences == [(";", "␤")]


def test_no_symbol_is_in_a_table_twice():
    for table in (SYMBOLS, NVIDIA_SYMBOLS, CTC_SYMBOLS):
        assert len(set(table)) == len(table)


def test_every_style_sign_is_in_the_table_and_survives_cleaning():
    for tag, sign in STYLE_SIGNS.items():
        assert sign in SYMBOLS, tag
        assert clean(f"{sign}Hello") == f"{sign}hello"
    assert STYLE_SIGNS["Happy"] == "☻"
    assert STYLE_SIGNS["Whispering"] == "◄"


@CASES
def test_ids(case):
    assert text_to_ids(case["text"]) == case["ids"]


@CASES
def test_ctc_targets(case):
    assert ctc_targets(case["text"]) == case["ctc_ids"]


@CASES
def test_round_trip(case):
    assert ids_to_text(case["ids"]) == case["round_trip"]
    assert clean(case["text"]) == case["round_trip"]


def test_nvidias_table_keeps_its_semicolon_and_drops_our_signs():
    ids = text_to_ids("☻yes; no␤", symbols=NVIDIA_SYMBOLS)
    assert ids_to_text(ids, NVIDIA_SYMBOLS) == "yes; no"
    assert ids[3] == NVIDIA_SYMBOLS.index(";") == 9
