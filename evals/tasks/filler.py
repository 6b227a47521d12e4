"""Text that bears on no question."""

from __future__ import annotations

import random

_SUBJECTS = (
    "The gardener",
    "A neighbour",
    "The ferry",
    "The old clock",
    "Our guide",
    "The committee",
    "A heron",
    "The mill",
)
_VERBS = ("passed", "remembered", "left", "painted", "described", "avoided", "repaired", "watched")
_OBJECTS = ("the orchard", "a wooden bridge", "the evening train", "some letters", "the market hall", "an empty boat")
_ENDS = (
    "before noon",
    "without a word",
    "in the rain",
    "for many years",
    "as usual",
    "on the way home",
    "near the weir",
)


def sentence(rng: random.Random) -> str:
    return f"{rng.choice(_SUBJECTS)} {rng.choice(_VERBS)} {rng.choice(_OBJECTS)} {rng.choice(_ENDS)}."


def paragraph(rng: random.Random, sentences: int = 5) -> str:
    return " ".join(sentence(rng) for _ in range(sentences))
