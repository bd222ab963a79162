import sys

import numpy as np
import pytest

from ponytaco.evaluation.asr import RecogniserError, word_grammar_recogniser


def test_a_missing_recogniser_is_explained(monkeypatch):
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    with pytest.raises(RecogniserError, match=r"pip install .ponytaco\[evaluate\]"):
        word_grammar_recogniser({"pony": ["P", "OW1", "N", "IY0"]})


def test_the_recogniser_takes_new_words_and_hears_nothing_in_silence():
    pytest.importorskip("pocketsphinx")
    recogniser = word_grammar_recogniser({"pony": ["P", "OW1"], "zecorazecora": ["Z", "EH1"]})
    assert recogniser.transcribe(np.zeros(22_050, np.float32), 22_050) == []
    assert recogniser.transcribe(np.zeros(0, np.float32), 22_050) == []


@pytest.mark.parametrize(
    "vocabulary", [{}, {"two words": ["T"]}, {"zecorazecora": ["Q", "Q"]}, {"x;": ["T"]}]
)
def test_a_vocabulary_it_cannot_take_is_refused(vocabulary):
    pytest.importorskip("pocketsphinx")
    with pytest.raises(RecogniserError):
        word_grammar_recogniser(vocabulary)
