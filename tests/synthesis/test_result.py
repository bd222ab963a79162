import re

from ponytaco.synthesis.voice import Voice


def test_speech_is_written_on_one_short_line(trained_run):
    voice = Voice(trained_run.run.folder)
    speech = voice.speak("Bad day. " + "Pony cake " * 30 + "?", max_seconds=0.2, retries=0)
    for thing in (speech, *speech.sentences):
        assert len(repr(thing)) < 150 and "\n" not in repr(thing)
    assert re.fullmatch(
        r"Speech\('Bad day. Pony .*…', \d\.\d s, \d+ sentences, \d+ warnings?\)", repr(speech)
    )
    assert re.fullmatch(
        r"Sentence\('Bad day\.', [\d,]+ samples, (not )?good\)", repr(speech.sentences[0])
    )
