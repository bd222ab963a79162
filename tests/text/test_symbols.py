"""Which symbols are spoken."""

from ponytaco.text.encode import spoken_symbols, text_to_ids
from ponytaco.text.symbols import SYMBOLS


def test_spoken_symbols_are_letters_and_phones():
    ids = text_to_ids("{HH AY1}, you - ok? ☻x")
    signs = [SYMBOLS[i] for i in ids]
    heard = [sign for sign, is_spoken in zip(signs, spoken_symbols(ids), strict=True) if is_spoken]
    assert heard == ["@HH", "@AY1", *"youokx"]
    assert len(heard) < len(signs)
