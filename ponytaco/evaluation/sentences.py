"""New sentences for an evaluation."""

from __future__ import annotations

from pathlib import Path

from ponytaco.errors import PonytacoError
from ponytaco.io.text_files import read_text

_MOST_BYTES = 2**20  # some ten thousand sentences take days to speak


class SentencesError(PonytacoError):
    """A file of sentences cannot be used."""


# Written for ponytaco: everyday words, every English phone many times, questions and pauses, short
# and long.
SENTENCES = (
    "The kettle is singing on the stove.",
    "Could you pass me the yellow umbrella?",
    "Her brother measured the garden twice before noon.",
    "A thin fog drifted over the harbor at dawn.",
    "We usually have cheese and apples after school.",
    "Why did the judge laugh at such a dull joke?",
    "Four young foxes were hiding behind the barn.",
    "The usual treasure is a box of old buttons.",
    "Please put both shoes near the kitchen door.",
    "He bought a cheap watch and lost it on Thursday.",
    "Snow covers the valley, but the river still runs.",
    "My neighbor paints her house a new color each year.",
    "Good bakers wake up long before the birds do.",
    "Which road leads to the village church?",
    "The choir will sing outside if the weather is fine.",
    "Nobody heard the clock strike eleven.",
    "I would rather walk than wait for the bus.",
    "Three brave girls climbed the steep hill together.",
    "Does this soup need more pepper, or is it too hot already?",
    "The pilot checked every engine with great care.",
    "Dust rose from the road behind the noisy truck.",
    "You should have seen the look on his face.",
    "Their cousin grows purple flowers on the roof.",
    "It was a rather long and boring journey.",
    "The boy threw his wet jacket over a chair.",
    "How much sugar goes into the dough?",
    "She keeps a small jar of honey under the bed.",
    "Bring enough paper for everyone in the group.",
    "The old bridge shook when the train went by.",
    "An empty boat was floating in the middle of the lake.",
    "Their vision of the future was hard to share.",
    "He whispered something, then quietly left the room.",
    "The mouse chewed right through the rope.",
    "Would anyone care for another cup of tea?",
    "On Sunday we watched the planes from the beach.",
    "The doctor gave him two large pills to swallow.",
    "I thought the music was far too loud.",
    "Five of these tools belong to the woman downstairs.",
    "A good question is worth more than a quick answer.",
    "The puppy pulled the red ball from under the couch.",
    "Turn left at the corner, and look for a blue sign.",
    "Few people enjoy standing in the rain.",
    "His voice was calm, though his hands were shaking.",
    "They built a huge castle out of wooden blocks.",
    "What a strange thing to find in a drawer!",
    "The farmer sold fresh eggs, butter and onions.",
    "My uncle fixed the broken window this morning.",
    "Suddenly the lights went out, and the whole town was dark.",
    "Both teams were pleased with the final score.",
    "Leave your worries at home and come with us.",
)
"""Spoken where no file of sentences is given."""


def read_sentences(path: Path) -> list[str]:
    """Read sentences from a text file, one a line; blank lines are skipped.

    Raises:
        SentencesError: the file cannot be read, is not text, or has no sentence.
    """
    text = read_text(path, SentencesError, _MOST_BYTES)
    sentences = [line.strip() for line in text.splitlines() if line.strip()]
    if not sentences:
        raise SentencesError(f"{path} has no sentences. Write one a line.")
    return sentences
