"""Words in capitals: MLP, TVs and GPU are spelled, STOP and Shhh are words."""

from __future__ import annotations

import re

from ponytaco.text.normalize.words import LETTER_A, letters

# fmt: off
# Spelled although they could be pronounced.
_SPELLED = frozenset(
    "ABC AC AGI AI AKA AMA AOL API APA ASL AU BA BAE BBC BYOB CA CEO CFO CIA COD COO CTO DA DIY DOA DOB DUI "
    "EA ECG EEG EKG EMP EMS EMT EPA ESP ESPN ETA EU EV FAQ FIFA GI GIS GOP GUI HIV HOA IA ICE ICU ID IDE "
    "ILY IMO INS IO IP IPA IQ IRA IRL IRS ISO ISP IT IV KIA LA LAN LED LOA MIA MIT MOT NES NYC NYU OC OCD "
    "OED OEM OJ OP OS OST OT OTP OVA PA PBS PC PE POV POW RIP ROI SAT SEO SOS SOP SUV TA TBA UA UAE "
    "UCLA UFC UFO UI UK UN URL USA USB USD USSR UV UX VA VIP VOD YMCA YOLO".split()
) - frozenset("DA ICE IT LA BAE COO DOA FIFA INS MIA OP SAT TA YOLO KIA LED LAN BA CA ISO MOT OT "
              "PA VA RIP ILY GIS NES IRA HOA".split())
# Words when everything around them is in capitals, too.
_UNLESS_SHOUTED = frozenset(("US", "AM", "AD", "UN", "ID", "OS", "IP", "PE"))
_SPELLED_ALONE = frozenset(("US", "AD"))
_WORDS = frozenset(
    "HM HMM HMPH MM MMM SH SHH PSST PFFT PFT TSK TSKS BRR BRRR GRR GRRR ZZ ZZZ PHT NTH MR MRS MS DR DRS "
    "ST MT JR SR LTD VS BZZT BZZ KRR TCH TSS HSS PSH PSHH FTW CWM OK NAH EH UH AH OH HUH SHHH PLZ PLS "
    "THX RHYTHM".split()
) - frozenset(("FTW",))
_ONSETS = frozenset((
    "", *"bcdfghjklmnpqrstvwxz", "bl", "br", "ch", "chr", "cl", "cr", "dr", "dw", "fl", "fr", "gh",
    "gl", "gn", "gr", "kh", "kl", "kn", "kr", "ll", "ph", "phr", "pl", "pn", "pr", "ps", "qu", "rh",
    "sc", "sch", "scr", "sh", "shr", "sk", "sl", "sm", "sn", "sp", "spl", "spr", "sq", "st", "str",
    "sv", "sw", "th", "thr", "thw", "tr", "ts", "tw", "vr", "wh", "wr", "zh",
))
_CODAS = frozenset((
    "", *"bcdfghklmnprstvwxz", "ck", "ch", "tch", "ct", "cts", "dd", "ds", "dge", "ff", "ffs", "ft",
    "fts", "gg", "gh", "ght", "ghts", "gs", "gn", "ks", "lb", "ld", "lds", "lf", "lk", "lks", "ll",
    "lls", "lm", "ln", "lp", "lps", "ls", "lt", "lth", "lts", "mb", "mbs", "mm", "mn", "mp", "mps",
    "ms", "nch", "nd", "nds", "ng", "ngs", "nk", "nks", "nn", "ns", "nt", "nth", "nts", "nx", "ph", "pp",
    "ps", "pt", "pts", "rb", "rbs", "rc", "rch", "rd", "rds", "rf", "rg", "rk", "rks", "rl", "rls",
    "rm", "rms", "rn", "rns", "rp", "rps", "rr", "rs", "rsh", "rst", "rt", "rth", "rts", "sh", "sk",
    "sks", "sm", "sms", "sp", "sps", "ss", "st", "sts", "sth", "th", "ths", "ts", "tt", "tz", "tzs", "wk",
    "wks", "wl", "wls", "wn", "wns", "ws", "xt", "zz", "bs", "bt", "lve", "hm", "hn", "cks", "wd",
))
# fmt: on
_VOWEL = "AEIOUY"
_RUN = re.compile(
    r"(?<![\w'-])[A-Z][A-Z']*[A-Z](?:'?s)?(?![\w'])(?:[ ,.!?;:\"-]{1,4}[A-Z][A-Z']*(?:'?s)?(?![\w'])){0,80}"
)
_WORD = re.compile(r"(?<![\w'])(?P<word>[A-Z]{2,5})(?P<s>'?s)?(?![\w'])")
_ALL = re.compile(r"[A-Z]{2,}")
_AMPERSAND = re.compile(r"\b(?P<left>[A-Z]{1,3})&(?P<right>[A-Z]{1,3})(?P<s>'?s)?\b(?!&)")
_LOWER = re.compile(r"\b(?P<word>tv|dvd|cd|pc|ph\.?d|usb|mlp|diy)(?P<s>'?s)?\b(?!\.\w)", re.I)
_A = re.compile(r"(?<![\w'.\-])A(?![\w'&-])")
_VOWELS = re.compile(f"[{_VOWEL}]")


def read_acronyms(text: str) -> str:
    """Write acronyms, and capital letters that are names, as letters."""
    text = _AMPERSAND.sub(_read_ampersand, text)
    text = _RUN.sub(_read_run, text)
    text = _LOWER.sub(lambda m: letters(m["word"].replace(".", "")) + _plural(m["s"]), text)
    return _A.sub(_read_a, text)


def _plural(s: str | None) -> str:
    return "'s" if s else ""


def _read_ampersand(match: re.Match[str]) -> str:
    return f"{letters(match['left'])} and {letters(match['right'])}{_plural(match['s'])}"


def _read_run(match: re.Match[str]) -> str:
    run = match[0]
    words = [word for word in _ALL.findall(run) if not _is_spelled(word, shouted=False)]
    shouted = bool(words) and len(words) + run.count(" ") > 1

    def read(word: re.Match[str]) -> str:
        if word[0] == "OK":
            return "okay"
        if not _is_spelled(word["word"], shouted):
            return word[0]
        return letters(word["word"]) + _plural(word["s"])

    return _WORD.sub(read, run)


def _is_spelled(word: str, shouted: bool) -> bool:
    if word in _WORDS or len(word) > 5:
        return False
    if shouted and word in _UNLESS_SHOUTED:
        return False
    if word in _SPELLED or word in _SPELLED_ALONE:
        return True
    vowels = [match.start() for match in _VOWELS.finditer(word)]
    if not vowels:
        return not re.search(r"(.)\1", word) or len(set(word)) > 2
    if len(word) > 4:
        return False
    onset, coda = word[: vowels[0]].lower(), word[vowels[-1] + 1 :].lower()
    return onset not in _ONSETS or coda not in _CODAS


def _read_a(match: re.Match[str]) -> str:
    """Tell the letter's name ("Plan A is", "A, B") from the article ("A pony", "WHAT A DAY")."""
    text, start, end = match.string, match.start(), match.end()
    after, before = text[end : end + 2], text[max(0, start - 2) : start]
    if not after.strip() or after[0] in ",.;:!?)\"/":
        return LETTER_A
    goes_on = before[-1:] == " " and (before[:1].islower() or before[:1] == ",")
    return LETTER_A if goes_on and after[1:].islower() and after[0] == " " else match[0]
