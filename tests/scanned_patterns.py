"""Finds patterns that read a text again from each of its openings: quadratic where they search, though none backtracks.

`<a>[^b]*+b` over "<a><a><a>…": from each opening all of the rest is read, for an end that is not there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random
from re import _compiler, _parser  # type: ignore[attr-defined]  # pyright: ignore
from typing import Any

_REPEATS = {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}
_LONG = 1_000
"""A quantifier whose bound is above is as good as without one."""
_CHARS = 4_000
_TRIES = 30
_SAMPLES = "ab1 _-./<>{}[]()'\"`~|:,;=\n\t#*&\\é"


def rereads(pattern: str, flags: int) -> str | None:
    """What the pattern reads again and again where it stands many times in a row; None where there is nothing."""
    tree = _parser.parse(pattern, flags)
    for items, repeated in ((list(tree), False), *((body, True) for body in _bodies(tree))):
        whole = _compiled(tree.state, items)
        reads = list(_long_reads(items))
        units = set[str]().union(*map(_units, [items, *reads] if reads else []))
        readers = [_compiled(tree.state, each) for each in reads]
        for unit in sorted(units):
            if any(_reads_again(whole, reader, unit, repeated) for reader in readers):
                return unit
    return None


def _reads_again(whole: re.Pattern[str], reader: re.Pattern[str], unit: str, repeated: bool) -> bool:
    """Whether the beginning of a match goes to the end of the text where none, or a short one, comes of it.

    Of what is `repeated` within a match, a short one: where there is none it is not tried again.
    """
    text = unit * (_CHARS // len(unit))
    for start in (5 * len(unit), 10 * len(unit)):
        read, match = reader.match(text, start), whole.match(text, start)
        if read is None or read.end() - start < (len(text) - start) // 2:
            return False
        if repeated if match is None else match.end() - start > 3 * len(unit):
            return False
    return True


def _compiled(state: Any, items: list[Any]) -> re.Pattern[str]:
    return _compiler.compile(_parser.SubPattern(state, items), state.flags)


def _long_reads(items: list[Any]) -> Iterator[list[Any]]:
    """The pattern up to the end of each of its quantifiers without a bound; what looks ahead as if it read on."""
    for place, (operator, value) in enumerate(items):
        name, before = str(operator), items[:place]
        if name in _REPEATS:
            if value[1] is _parser.MAXREPEAT or value[1] > _LONG:
                yield [*before, (operator, value)]
            inner = [list(value[-1])]
        elif name == "BRANCH":
            inner = [list(branch) for branch in value[1]]
        elif name == "ATOMIC_GROUP":
            inner = [list(value)]
        elif name in ("SUBPATTERN", "ASSERT", "ASSERT_NOT") and (name == "SUBPATTERN" or value[0] > 0):
            inner = [list(value[-1])]
        else:
            inner = []
        yield from ([*before, *read] for each in inner for read in _long_reads(each))


def _bodies(items: Any) -> Iterator[list[Any]]:
    """What stands in its quantifiers without a bound: within one match that begins again, too."""
    for operator, value in items:
        name = str(operator)
        if name in _REPEATS:
            if value[1] is _parser.MAXREPEAT:
                yield list(value[-1])
            yield from _bodies(value[-1])
        elif name == "BRANCH":
            for branch in value[1]:
                yield from _bodies(branch)
        elif name == "ATOMIC_GROUP":
            yield from _bodies(value)
        elif name in ("SUBPATTERN", "ASSERT", "ASSERT_NOT"):
            yield from _bodies(value[-1])


def _units(items: list[Any]) -> set[str]:
    """Texts that the pattern, or its beginning, may match; such without the last character, and with a line's end or a
    word behind."""
    chance, found = Random(1), set[str]()
    for _ in range(_TRIES):
        text = ""
        for item in items:
            text += _sample([item], chance)
            found.update((text, text[:-1], f"{text}\n", f"{text}a "))
    return {unit for unit in found if 0 < len(unit) < _CHARS // 20}


def _sample(items: Any, chance: Random) -> str:
    return "".join(_sample_of(str(operator), value, chance) for operator, value in items)


def _sample_of(name: str, value: Any, chance: Random) -> str:
    match name:
        case "LITERAL":
            return chr(value)
        case "NOT_LITERAL" | "IN" | "ANY":
            return _character(name, value, chance)
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            least, most, held = value
            times = chance.choice((least, least + 1, least + 3))
            return "".join(_sample(held, chance) for _ in range(min(times, most, 5)))
        case "SUBPATTERN":
            return _sample(value[-1], chance)
        case "ATOMIC_GROUP":
            return _sample(value, chance)
        case "BRANCH":
            return _sample(chance.choice(value[1]), chance)
        case "ASSERT" if value[0] > 0:
            return chance.choice(("", _sample(value[1], chance)))
        case "AT" if "BEGINNING" in str(value):
            return chance.choice(("", "\n"))
        case _:
            return ""


def _character(name: str, value: Any, chance: Random) -> str:
    """One that is matched: of the usual, or the first of those that are named."""
    state = _parser.State()
    one = _compiled(state, [(getattr(_parser, name), value)])
    named = [chr(each) for operator, each in value if str(operator) == "LITERAL"] if name == "IN" else []
    ranges = [chr(each[0]) for operator, each in value if str(operator) == "RANGE"] if name == "IN" else []
    fitting = [each for each in (*_SAMPLES, *named, *ranges) if one.match(each)]
    return chance.choice(fitting) if fitting else "a"
