"""Options of the clip filter, apart from it: a command line that lists them needs no numpy."""

from dataclasses import dataclass

from ponytaco.errors import PonytacoError


class OptionsError(PonytacoError):
    """Options that no clip can meet."""


def check_sample_rate(rate: int) -> None:
    """Refuse a sample rate that is not one of speech.

    Raises:
        OptionsError: unless it lies from 8,000 to 96,000 Hz.
    """
    if not 8_000 <= rate <= 96_000:
        raise OptionsError(f"The sample rate is {rate} Hz; it can be 8,000 to 96,000 Hz.")


@dataclass(frozen=True)
class ClipOptions:
    """Options of the clip filter and of the texts."""

    min_seconds: float = 0.4
    """Shorter clips, after trimming, are left out."""

    max_seconds: float = 15.0
    """Longer clips, after trimming, are left out."""

    skip_very_noisy: bool = True
    """Leave out clips that are labelled "Very Noisy"."""

    skip_tags: tuple[str, ...] = ("Singing",)
    """Leave out clips with one of these tags. Sung vowels teach a speaking voice to drawl."""

    style_signs: bool = False
    """Prefix the text of each clip with its style sign, such as ☻ for Happy."""

    sample_rate: int = 22_050
    """Hz of the wavs; the sound of an archive at a lower rate gains nothing by a higher one."""

    align: bool = True
    """Find the phone times of English clips that have none, by forced alignment."""

    def __post_init__(self) -> None:
        """Refuse limits that no clip can meet.

        Raises:
            OptionsError: unless 0 < min_seconds < max_seconds <= 60, and the sample rate is one of
                speech.
        """
        check_sample_rate(self.sample_rate)
        if not 0 < self.min_seconds < self.max_seconds <= 60:
            raise OptionsError(
                f"No clip can have min_seconds {self.min_seconds:g} and max_seconds "
                f"{self.max_seconds:g}. Choose a minimum above 0, a maximum of at most 60, and "
                "the minimum below the maximum."
            )
