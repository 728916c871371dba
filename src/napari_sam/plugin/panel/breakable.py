"""Sentences with long words, such as file names."""

import re

_LONGEST = 16
_BREAK = "\u200b"


def breakable(sentence: str) -> str:
    """The sentence with places at which Qt may break long words; a label is never narrower than its longest word.

    A word is broken behind what separates its parts, else anywhere.
    """
    return re.sub(rf"\S{{{_LONGEST + 1},}}", lambda word: _broken(word[0]), sentence)


def _broken(word: str) -> str:
    parts = re.findall(r"[^\W_]+[\W_]*|[\W_]+", word)
    return _BREAK.join(part[start : start + _LONGEST] for part in parts for start in range(0, len(part), _LONGEST))
