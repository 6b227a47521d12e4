"""Comparing the answers of two runs takes no longer than reading them does: the event loop waits meanwhile."""

from __future__ import annotations

import unicodedata

import pytest

from rlm_integrations import RLMEngine, Twice
from rlm_integrations.testing import ScriptedModel

PILED = "e" + "\u0301\u0316" * 1_500
"""Unicode orders the marks on a letter; Python takes the square of their number for it."""


def agreement(first: str, second: str) -> str | None:
    replies = [f'```repl\nanswer["content"] = {said!r}\nanswer["ready"] = True\n```' for said in (first, second)]
    return RLMEngine(ScriptedModel(replies), verify=Twice(reconcile=False)).run("?").agreement


def test_a_letter_with_very_many_marks_is_compared_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    normalized: list[int] = []

    def normalize(form: str, text: str) -> str:
        normalized.append(len(text))
        return text

    monkeypatch.setattr(unicodedata, "normalize", normalize)
    assert agreement(PILED, f"  “{PILED.upper()}”\n") == "agreed"
    assert max(normalized, default=0) <= 2_000


def test_texts_of_some_length_may_differ_in_their_dress_and_very_long_ones_not() -> None:
    assert agreement("Heron " * 1_000, "heron\n" * 1_000) == "agreed"
    with pytest.warns(RuntimeWarning, match="differ"):
        assert agreement("Heron " * 20_000, "heron " * 20_000) == "differed"
    assert agreement("Heron " * 20_000, "Heron " * 20_000) == "agreed"
