"""The evaluation report as one self-contained HTML page."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from ponytaco.evaluation.charts import heatmap, line_chart
from ponytaco.evaluation.results import STOP_ERRORS, Group, Media, Results, TextResult
from ponytaco.judges.judge import Judges
from ponytaco.printable import escape
from ponytaco.runs.history import Column, HistoryRow

# Texts shown with sound, the worst of all; a phone has to load them at once.
_MOST_TEXTS = 100

_GOOD, _FAIR, _POOR = "good", "fair", "poor"

_STYLE = """
:root{color-scheme:light dark;--page:#f6f5f8;--card:#fff;--text:#1d1b22;--soft:#66616f;
--line:#e2dfe8;--good:#1a7f45;--fair:#9a6700;--poor:#c0322b;--c0:#7a3fc4;--c1:#d9822b;--c2:#1f8a9e}
@media(prefers-color-scheme:dark){:root{--page:#16141a;--card:#211e27;--text:#ece9f1;
--soft:#a39dae;--line:#383340;--good:#5fca8b;--fair:#e0b050;--poor:#ff8178;--c0:#b98bff;
--c1:#ffb066;--c2:#5ec8dc}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--text);font:16px/1.5 system-ui,sans-serif}
main{max-width:1000px;margin:0 auto;padding:20px 16px 60px}
h1{font-size:1.7rem;line-height:1.2;margin:.4em 0 .1em;overflow-wrap:anywhere}
h2{font-size:1.2rem;margin:2em 0 .6em}h3{font-size:1rem;margin:0 0 .3em}
p{margin:.4em 0}.soft,.legend,dt,figcaption{color:var(--soft);font-size:.9rem}
.verdict{font-size:1.1rem;margin:1em 0}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,290px),1fr));gap:12px}
.card,article{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:14px}
.card dl{display:grid;grid-template-columns:1fr auto;gap:2px 12px;margin:.4em 0}
dd{margin:0;text-align:right;font-weight:600;font-variant-numeric:tabular-nums}
.good{color:var(--good)}.fair{color:var(--fair)}.poor{color:var(--poor)}
article{margin:10px 0}article p{overflow-wrap:anywhere}
.marks span{display:inline-block;border:1px solid currentColor;border-radius:99px;
padding:0 9px;margin:2px 6px 2px 0;font-size:.85rem}
.sounds{display:flex;flex-wrap:wrap;gap:8px 16px;margin-top:8px}
.sounds label{flex:1 1 240px;min-width:0;font-size:.85rem;color:var(--soft)}
audio{display:block;width:100%;height:40px}
svg{width:100%;height:auto;display:block}svg text{fill:var(--soft);font-size:11px}
.grid{stroke:var(--line)}polyline{fill:none;stroke-width:2;stroke-linejoin:round}
polyline.c0{stroke:var(--c0)}polyline.c1{stroke:var(--c1)}polyline.c2{stroke:var(--c2)}
circle.c0,i.c0{fill:var(--c0);background:var(--c0)}circle.c1,i.c1{fill:var(--c1);background:var(--c1)}
circle.c2,i.c2{fill:var(--c2);background:var(--c2)}
.legend span{margin-right:16px}.legend i{display:inline-block;width:12px;height:3px;
margin:0 6px 4px 0}
figure{margin:0}figure img{width:100%;height:170px;display:block;border-radius:6px;
image-rendering:pixelated}
.pictures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,300px),1fr));gap:12px}
"""


def report_page(results: Results, history: Sequence[HistoryRow]) -> str:
    """Build the page; texts from files are escaped.

    Args:
        results: of the evaluation.
        history: the run's, from ``read_history``.
    """
    title = f"How good is {results.name}?"
    ordered = _worst_first(results)
    sections = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="soft">{escape(_overview(results))}</p>',
        "".join(f'<p class="verdict">{escape(sentence)}</p>' for sentence in verdict(results)),
        f'<div class="cards">{"".join(_cards(results))}</div>',
        _curves(history),
        _pictures(ordered),
        _texts(ordered),
        _notes(results),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body><main>{''.join(sections)}</main></body></html>\n"
    )


def verdict(results: Results) -> list[str]:
    """Sum the results up in two or three sentences."""
    sentences = []
    group = results.new if results.new.results else results.clips
    kind = "new sentences" if results.new.results else "validation clips"
    aligned = group.aligned or 0.0
    if aligned >= 0.9:
        sentences.append(f"It reads {kind} through, from the first word to the last.")
    elif aligned >= 0.5:
        sentences.append(
            f"It reads {aligned:.0%} of the {kind} through; in the others it loses its place. It "
            "needs more training."
        )
    else:
        sentences.append(f"It does not read {kind} reliably yet. Train it longer.")
    if heard := group.verdict.beside(results.clips_verdict):
        sentences.append(
            f"To trained judges: {heard}. In brackets are real clips through the same vocoder: "
            "hardly a voice does better."
        )
    rate, ceiling = group.word_error_rate, results.ceiling
    if rate is not None and ceiling is not None:
        near = rate <= ceiling + 0.03
        sentences.append(
            f"The recogniser misheard {rate:.0%} of its words, and {ceiling:.0%} of the words in "
            "real clips played through the same vocoder: the voice is "
            f"{'about' if near else 'not yet'} as easy to understand as they are."
        )
    n_wrong = sum(group.n_stop_errors(kind) for kind in STOP_ERRORS)
    if n_wrong:
        sentences.append(f"{n_wrong} of {len(group.results)} {kind} do not end well.")
    return sentences


def _overview(results: Results) -> str:
    return (
        f"At step {results.step:,}, the voice {results.alignment_history}. It spoke "
        f"{len(results.clips.results)} validation clips and {len(results.new.results)} new "
        f"sentences, through {results.vocoder}."
    )


def _recognisers(results: Results) -> str:
    if results.new_recogniser == results.recogniser:
        return f"{results.recogniser}"
    return (
        f"{results.recogniser}; the new sentences and the {results.n_ceiling_clips} real clips by "
        f"{results.new_recogniser}"
    )


def _cards(results: Results) -> list[str]:
    clips, new, ceiling = results.clips, results.new, results.ceiling
    validation = results.validation
    limits = (0.1, 0.3) if ceiling is None else (ceiling + 0.03, ceiling + 0.25)
    cards = _judges_cards(results)
    if ceiling is not None or new.word_error_rate is not None:
        cards.append(_card(
            "Words misheard",
            [("new sentences", new.word_error_rate, limits), ("validation clips",
             clips.word_error_rate, limits), ("the same clips, real", clips.real_word_error_rate,
             None), (f"{results.n_ceiling_clips} real clips", ceiling, None)], ".1%",
            f"Recognised by {_recognisers(results)}. The real clips went through the same vocoder; "
            "good is as low as theirs.",
        ))  # fmt: skip
    cards.append(_card(
        "Read through",
        [("new sentences", new.aligned, (0.9, 0.5)), ("validation clips", clips.aligned,
         (0.9, 0.5))], ".0%",
        "Texts that attention followed in order to the end. Good is above 90 %.",
    ))  # fmt: skip
    cards.append(_card(
        "Words skipped or repeated",
        [("skipped, new sentences", new.skipped, (0.01, 0.05)), ("skipped, validation clips",
         clips.skipped, (0.01, 0.05)), ("repeated, new sentences", new.repeated, (0.01, 0.05)),
         ("repeated, validation clips", clips.repeated, (0.01, 0.05))], ".1%",
        "By attention. Good is none.",
    ))  # fmt: skip
    cards.append(_stop_card(results))
    cards.append(_card(
        "Distance to the real clips",
        [("mel-cepstral distortion, dB", clips.mel_cepstral_distortion_db, (5.0, 7.0)),
         ("length relative to theirs", _mean_length(clips), None)], ".2f",
        "How much the sound differs from the clips', moment by moment: below 5 dB it is close, "
        "above 7 dB it is a different sound. A length of 1 is the same.",
    ))  # fmt: skip
    if clips.pitch_correlation is not None:
        cards.append(_card(
            "Melody", [("correlation of pitch", clips.pitch_correlation, (0.5, 0.25))], ".2f",
            "Whether it goes up and down where the real clips do: 1 is the same, 0 unrelated. "
            "People differ too: 0.5 is good.",
        ))  # fmt: skip
    cards.append(_card(
        "As validated in training",
        [("voice, of 1", validation.score, None), ("focus of attention", validation.free.focus,
         (0.6, 0.5)), ("coverage of the text", validation.free.coverage, (0.98, 0.9)),
         ("loss, fed true frames", validation.loss, None)], ".2f",
        "The score by which the best model is kept until judges understand it; compare only "
        "runs on the same clips. Focus is "
        "good from 0.6 on, coverage near 1.",
    ))  # fmt: skip
    return cards


def _judges_cards(results: Results) -> list[str]:
    """Build a card for each judge, with limits that lie below what the real clips reach."""
    voices = (
        ("new sentences", results.new.verdict),
        ("validation clips", results.clips.verdict),
        (f"{results.n_ceiling_clips} real clips", results.clips_verdict),
    )
    cards = []
    for title, name, form, good, fair, meaning in (
        ("Words understood", "understood", ".0%", 0.05, 0.3,
         "By Whisper tiny.en, in any words. It mishears the real clips too, which went through the "
         "same vocoder."),
        ("Quality", "mos", ".1f", 0.5, 1.5,
         "Mean opinion score, 1 to 5, as Distill-MOS predicts it: how people would rate it."),
        ("Likeness", "likeness", ".2f", 0.05, 0.15,
         "Cosine between the voice and the character's clips; other speakers have about 0.5."),
    ):  # fmt: skip
        ceiling = getattr(results.clips_verdict, name)
        if ceiling is None:
            continue
        limits = (ceiling - good, ceiling - fair)
        rows = [(voice, getattr(verdict, name), limits) for voice, verdict in voices[:2]]
        cards.append(_card(title, [*rows, (voices[2][0], ceiling, None)], form, meaning))
    return cards


def _card(
    title: str,
    rows: Sequence[tuple[str, float | None, tuple[float, float] | None]],
    form: str,
    meaning: str,
) -> str:
    """Build a card of values and their meaning; limits are those of good and fair."""
    shown = "".join(
        f"<dt>{escape(name)}</dt><dd{_level(value, limits)}>{value:{form}}</dd>"
        for name, value, limits in rows
        if value is not None
    )
    return (
        f'<section class="card"><h3>{escape(title)}</h3><dl>{shown}</dl>'
        f'<p class="soft">{escape(meaning)}</p></section>'
    )


def _stop_card(results: Results) -> str:
    rows = "".join(
        f'<dt>{escape(kind)}</dt><dd class="{_POOR if n else _GOOD}">{n:,} of {n_texts:,}</dd>'
        for kind in STOP_ERRORS
        for n in [results.new.n_stop_errors(kind) + results.clips.n_stop_errors(kind)]
        for n_texts in [len(results.new.results) + len(results.clips.results)]
    )
    return (
        f'<section class="card"><h3>Ends</h3><dl>{rows}</dl><p class="soft">Sentences that were '
        "cut because they did not stop, that stopped before their last word, or that took far "
        "longer than their text. Good is none.</p></section>"
    )


def _level(value: float, limits: tuple[float, float] | None) -> str:
    if limits is None:
        return ""
    good, fair = limits
    sign = 1 if good > fair else -1  # -1 where less is better
    level = (
        _GOOD if sign * value >= sign * good else _FAIR if sign * value >= sign * fair else _POOR
    )
    return f' class="{level}" title="{level}"'


def _mean_length(group: Group) -> float | None:
    lengths = [result.length for result in group.results if result.length is not None]
    return sum(lengths) / len(lengths) if lengths else None


def _curves(history: Sequence[HistoryRow]) -> str:
    def curve(label: str, column: Column) -> tuple[str, list[tuple[float, float]]]:
        return label, [(row[Column.STEP], row[column]) for row in history if column in row]

    charts = (
        ("Loss by step (lower is better)",
         line_chart([curve("training", Column.LOSS), curve("validation", Column.VAL_LOSS)], True)),
        ("Speaking freely, by step (higher is better)",
         line_chart([curve("voice", Column.SCORE), curve("focus", Column.FREE_FOCUS),
                     curve("coverage", Column.FREE_COVERAGE)])),
        ("As judges heard it in training, by step (higher is better)",
         line_chart([curve("words understood", Column.UNDERSTOOD),
                     curve("likeness", Column.LIKENESS),
                     curve("words understood in the clips", Column.CLIPS_UNDERSTOOD)])),
    )  # fmt: skip
    shown = [f'<div class="card"><h3>{title}</h3>{chart}</div>' for title, chart in charts if chart]
    return f'<h2>How it learnt</h2><div class="pictures">{"".join(shown)}</div>' if shown else ""


def _worst_first(results: Results) -> list[tuple[str, TextResult, Media]]:
    texts = [
        (kind, result, media)
        for kind, group in (("validation clip", results.clips), ("new sentence", results.new))
        for result, media in zip(group.results, group.media, strict=True)
    ]
    return sorted(texts, key=lambda text: -text[1].badness)


def _pictures(ordered: Sequence[tuple[str, TextResult, Media]]) -> str:
    """Show the worst text, a typical one and the best."""
    chosen = {0: "the worst", len(ordered) // 2: "a typical one", len(ordered) - 1: "the best"}
    blocks = []
    for index, word in chosen.items():
        _, result, media = ordered[index]
        blocks.append(
            f'<article><h3>{escape(word.capitalize())}: {escape(result.text)}</h3>'
            f'<div class="pictures"><figure>{heatmap(media.attention.T, "attention")}'
            "<figcaption>Attention: a sharp line from the lower left to the upper right is a text "
            f"read in order.</figcaption></figure><figure>{heatmap(media.mel, 'mel')}"
            "<figcaption>Mel spectrogram: time to the right, low tones below, high ones "
            "above.</figcaption></figure></div></article>"
        )  # fmt: skip
    return f"<h2>Pictures</h2>{''.join(blocks)}"


def _texts(ordered: Sequence[tuple[str, TextResult, Media]]) -> str:
    shown = "".join(_text(*text) for text in ordered[:_MOST_TEXTS])
    rest = len(ordered) - _MOST_TEXTS
    more = f'<p class="soft">{rest:,} better ones are in report.json.</p>' if rest > 0 else ""
    return f"<h2>All texts, the worst first</h2>{shown}{more}"


def _text(kind: str, result: TextResult, media: Media) -> str:
    marks = []
    if result.stop_error:
        marks.append((_POOR, result.stop_error))
    if result.skipped:
        marks.append((_POOR, f"skipped: {', '.join(result.skipped)}"))
    if result.repeated:
        marks.append((_POOR, f"repeated: {', '.join(result.repeated)}"))
    if result.errors:
        marks.append((_FAIR, f"{result.errors} of {len(result.said)} words misheard"))
    if result.not_understood:
        n_words = len(Judges.said(result.text))
        marks.append((_FAIR, f"{result.not_understood} of {n_words} words not understood"))
    if not marks:
        marks.append((_GOOD, "no errors found"))
    shown = "".join(f'<span class="{level}">{escape(text)}</span>' for level, text in marks)
    facts = [f"{kind} {result.name}", f"{result.seconds:.1f} s"]
    if result.mel_cepstral_distortion_db is not None:
        facts.append(f"{result.mel_cepstral_distortion_db:.1f} dB")
    if result.pitch_correlation is not None:
        facts.append(f"melody {result.pitch_correlation:.2f}")
    if result.opinion.mos is not None:
        facts.append(f"MOS {result.opinion.mos:.1f}")
    if result.opinion.likeness is not None:
        facts.append(f"likeness {result.opinion.likeness:.2f}")
    heard = ""
    for n_wrong, words in (
        (result.errors, result.heard),
        (result.not_understood, result.opinion.heard),
    ):
        if n_wrong:
            heard += f'<p class="soft">heard: {escape(" ".join(words or [])) or "nothing"}</p>'
    sounds = _player("the voice", media.sound)
    if media.real_sound is not None:
        sounds += _player("the real clip", media.real_sound)
    return (
        f'<article><p>{escape(result.text)}</p><p class="marks">{shown}</p>{heard}'
        f'<p class="soft">{escape(" · ".join(facts))}</p><div class="sounds">{sounds}</div>'
        "</article>"
    )


def _player(label: str, sound: bytes) -> str:
    data = base64.b64encode(sound).decode()
    return (
        f'<label>{escape(label)}<audio controls preload="none" '
        f'src="data:audio/flac;base64,{data}"></audio></label>'
    )


def _notes(results: Results) -> str:
    notes = "".join(f"<p>{escape(note)}</p>" for note in results.notes)
    return (
        f'<h2>How this was measured</h2><div class="soft">{notes}<p>Mel-cepstral distortion: 13 '
        "cepstra of the mel without the first, along the best path in time (dynamic time "
        "warping). Melody: the correlation of log pitch (pyin) along the same path, where both "
        "are voiced. Skipped words: attention read less than half of their symbols; repeated "
        "words: attention went back and read them again. Too long: more than one and a half times "
        "the real clip, or what the character's clips take for as many symbols. Words misheard: "
        "words to insert, delete or replace, as a share of the words spoken.</p></div>"
    )
