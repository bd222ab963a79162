"""Words in capitals: MLP, TVs and GPU are spelled, STOP and Shhh are words."""

from __future__ import annotations

import re

from ponytaco.text.normalize.words import letters

# fmt: off
# Spelled although they could be pronounced.
_SPELLED = frozenset((
    "ABC", "AC", "AD", "AGI", "AI", "AKA", "AMA", "AOL", "API", "ASL", "AU", "BBC", "BYOB", "CEO",
    "CFO", "CIA", "COD", "CTO", "DIY", "DOB", "DUI", "EA", "ECG", "EEG", "EKG", "EMP", "EMS", "EMT",
    "EPA", "ESP", "ESPN", "ETA", "EU", "EV", "FAQ", "GI", "GOP", "GUI", "HIV", "ICU", "ID",
    "IDE", "IMO", "IO", "IP", "IPA", "IQ", "IRL", "IRS", "ISP", "IV", "LOA", "MIT", "NYC",
    "NYU", "OC", "OCD", "OED", "OEM", "OJ", "OS", "OST", "OTP", "OVA", "PBS", "PC", "PE", "POV",
    "POW", "ROI", "SEO", "SOP", "SOS", "SUV", "TBA", "UA", "UAE", "UCLA", "UFC", "UFO", "UI", "UK",
    "UN", "URL", "US", "USA", "USB", "USSR", "UV", "UX", "VIP", "VOD", "YMCA",
))
# Words if everything around them is in capitals, too: "HELP US".
_UNLESS_SHOUTED = frozenset(("US", "AD", "UN", "ID", "OS", "IP", "PE", "COD", "POW"))
_WORDS = frozenset((
    "HM", "HMM", "HMPH", "MM", "MMM", "SH", "SHH", "SHHH", "PSST", "PSH", "PSHH", "PFFT", "PFT",
    "TSK", "TSKS", "TCH", "TSS", "HSS", "BRR", "BRRR", "GRR", "GRRR", "ZZ", "ZZZ", "BZZ", "BZZT",
    "KRR", "PHT", "NTH", "MR", "MRS", "MS", "DR", "DRS", "ST", "MT", "JR", "SR", "LTD", "VS", "CWM",
    "NAH", "EH", "UH", "AH", "OH", "HUH", "PLZ", "PLS", "THX",
))
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
    "ms", "nch", "nd", "nds", "ng", "ngs", "nk", "nks", "nn", "ns", "nt", "nth", "nts", "nx", "ph",
    "pp",
    "ps", "pt", "pts", "rb", "rbs", "rc", "rch", "rd", "rds", "rf", "rg", "rk", "rks", "rl", "rls",
    "rm", "rms", "rn", "rns", "rp", "rps", "rr", "rs", "rsh", "rst", "rt", "rth", "rts", "sh", "sk",
    "sks", "sm", "sms", "sp", "sps", "ss", "st", "sts", "sth", "th", "ths", "ts", "tt", "tz", "tzs",
    "wk",
    "wks", "wl", "wls", "wn", "wns", "ws", "xt", "zz", "bs", "bt", "lve", "hm", "hn", "cks", "wd",
))
# fmt: on
_VOWEL = "AEIOUY"
_RUN = re.compile(
    r"(?<![\w'-])[A-Z][A-Z']*[A-Z](?:'?s)?(?![\w'])"
    r"(?:[ ,.!?;:\"-]{1,4}[A-Z][A-Z']*(?:'?s)?(?![\w'])){0,80}"
)
_WORD = re.compile(r"(?<![\w'])(?P<word>[A-Z]{2,5})(?P<s>'?s)?(?![\w'])")
_ALL = re.compile(r"[A-Z]{2,}")
_AMPERSAND = re.compile(r"\b(?P<left>[A-Z]{1,3})&(?P<right>[A-Z]{1,3})(?P<s>'?s)?\b(?!&)")
_DOCTOR = re.compile(r"\bPhD(?P<s>'?s)?\b")
_VOWELS = re.compile(f"[{_VOWEL}]")


def read_acronyms(text: str) -> str:
    """Write acronyms as the names of their letters."""
    text = _AMPERSAND.sub(_read_ampersand, text)
    text = _DOCTOR.sub(lambda match: letters("phd") + _plural(match["s"]), text)
    return _RUN.sub(_read_run, text)


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
    if word in _SPELLED:
        return True
    vowels = [match.start() for match in _VOWELS.finditer(word)]
    if not vowels:
        return not re.search(r"(.)\1", word) or len(set(word)) > 2
    if len(word) > 4:
        return False
    onset, coda = word[: vowels[0]].lower(), word[vowels[-1] + 1 :].lower()
    return onset not in _ONSETS or coda not in _CODAS
