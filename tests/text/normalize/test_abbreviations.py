import pytest

from ponytaco.text.cleaners import english

CASES = {
    "Open Mon-Fri.": "open monday to friday.",
    "Open Mon.-Fri. Closed Sun.": "open monday to friday. closed sun.",
    "Jan-Mar is cold": "january to march is cold",
    "a sun-kissed Mon": "a sun-kissed mon",
    "Rarity vs Celestia": "rarity versus celestia",
    "I like pears, etc.": "i like pears, et cetera.",
    "Milk, etc. Then I left.": "milk, et cetera. then i left.",
    "Milk, etc. and so on": "milk, et cetera and so on",
    "He lives on Elm St.": "he lives on elm street.",
    "on Main St. She lives": "on main street. she lives",
    "St. Louis": "saint louis",
    "St Louis": "saint louis",
    "We are Acme Ltd.": "we are acme limited.",
    "Dr Whooves. Mr Cake": "doctor whooves. mister cake",
    "mr cake": "mister cake",
    "Mr.Cake": "mister cake",
    "No. 5": "number five",
    "No. I said no.": "no. i said no.",
    "Nos. 1 and 2": "numbers one and two",
    "Vol. II": "volume two",
    "fig. 3.": "figure three.",
    "pp. 5-6": "pages five to six",
    "Mt. Everest": "mount everest",
    "Gov. Smith": "governor smith",
    "one more rep.": "one more rep.",
    "Ft. Worth": "fort worth",
    "a song ft. Rarity": "a song featuring rarity",
    "U.S.A.": "u s a.",
    "the U.S. Army": "the u s army",
    "In the U.S. He ate.": "in the u s. he ate.",
    "C. S. Lewis": "c s lewis",
    "J. Smith, e.g.": "j smith, for example.",
    "Then plan B. Cake came.": "then plan b. cake came.",
    "#1 fan": "number one fan",
    "a w/o b, and/or c": "a without b, and or c",
    "Ph.D. work": "p h d work",
}


@pytest.mark.parametrize(("written", "spoken"), CASES.items())
def test_abbreviations_are_read(written, spoken):
    assert english(written).strip() == spoken
