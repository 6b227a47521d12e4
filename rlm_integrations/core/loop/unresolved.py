"""What is said of typed maps of which some items have no value. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from rlm_integrations.core.loop.happenings import UnresolvedMap
from rlm_integrations.core.prompts.texts import observation_part
from rlm_integrations.core.wording import number, one_line

_NAMES = 20
_NAME_CHARS = 30
_MAPS = 4
_WHY_CHARS = 120
_QUESTION_CHARS = 80


def unresolved_words(maps: Sequence[UnresolvedMap]) -> str:
    """Which items of which maps, and why the first of each: in one line."""
    told = [_words(each) for each in maps[:_MAPS]]
    more = len(maps) - len(told)
    return "; ".join([*told, *([f"and {number(more)} maps more"] if more else [])])


def unresolved_lines(maps: Sequence[UnresolvedMap]) -> list[str]:
    """Of what a step left unresolved, for the root LM."""
    new = [each for each in maps if each.new]
    return [observation_part("unresolved", maps=unresolved_words(new))] if new else []


def refused_for(maps: Sequence[UnresolvedMap]) -> str:
    """Why an answer is refused, and what can be done."""
    return observation_part("answer_unresolved", maps=unresolved_words(maps))


def unresolved_warning(words: str, question: str) -> str:
    """What the user is told of an answer that came in spite of that."""
    asked = one_line(question, _QUESTION_CHARS)
    return f"unresolved results: the answer to “{asked}” may rest on results that are missing: {words}"


def _words(each: UnresolvedMap) -> str:
    names = ", ".join(one_line(name, _NAME_CHARS) for name, _ in each.left[:_NAMES])
    names += ", …" if len(each.left) > _NAMES else ""
    of = f" “{each.instruction}”" if each.instruction else ""
    why = one_line(each.left[0][1], _WHY_CHARS)
    return f"{each.function}{of}: {number(len(each.left))} of {number(each.of)} unresolved, at {names} ({why})"
