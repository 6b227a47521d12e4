"""Code among words, with no fence around it. Linear in the reply: few places are tried, and none is long."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from itertools import islice

from rlm_integrations.core.loop.session_code import read_python
from rlm_integrations.wire.names import OWN_NAMES

_BEGINS = re.compile(
    r"[ \t]*+(?:(?:import|from|for|while|if|def|with|try|async|await|assert)\b|[^\W\d][\w.]*+(?:\(|[ \t]*+[-+*/]?+=[^=]"
    r"|\[[^\]\n]{0,80}+\][ \t]*+[-+]?+=[^=]))"
)
_GOES_ON = re.compile(r"[ \t]|[)\]}#@]|(?:else|elif|except|finally)\b")
_MOST_STARTS, _MOST_ENDS = 4, 4
_FENCE_LIKE = re.compile(r"[ \t]*+(?P<run>'''|\"\"\"|‘‘‘|’’’|´´´|``(?!`))[ \t]*+(?>(?:repl|python3?+|py)?)[ \t]*+")
_MARKED = re.compile(r"[ \t]*+(?:'''|\"\"\"|‘‘‘|’’’|´´´|``(?!`))[ \t]*+(?:repl|python3?+|py)[ \t]*+", re.IGNORECASE)


def code_among(lines: Sequence[str], variables: Collection[str]) -> tuple[int, int] | None:
    """Where code for the session begins among lines of words, and the line below it; None where there is none."""
    text = "\n".join(lines)
    if not any(name in text for name in (*OWN_NAMES, *variables)):
        return None
    for start in islice(_starts(lines), _MOST_STARTS):
        for end in islice(_ends(lines, start), _MOST_ENDS):
            code = read_python("\n".join(lines[start:end]))
            if code is not None and not code.only_final and code.for_session(variables):
                return start, end
    return None


def with_fences(lines: list[str]) -> list[str]:
    """The lines with fences where others stand for them: three quotes with a word for Python, for instance.

    No Python is marked so, which could hold a docstring in such quotes.
    """
    opening = next((at for at, line in enumerate(lines) if _MARKED.fullmatch(line)), None)
    if opening is None:
        return lines
    run = _FENCE_LIKE.fullmatch(lines[opening])
    assert run is not None
    ends = ("’’’", "‘‘‘") if run["run"] == "‘‘‘" else (run["run"],)
    closing = next((at for at in range(opening + 1, len(lines)) if lines[at].strip() in ends), len(lines))
    below = [*lines[:opening], "```code", *lines[opening + 1 : closing]]
    return [*below, "```", *lines[closing + 1 :]] if closing < len(lines) else below


def _starts(lines: Sequence[str]) -> Iterator[int]:
    """Lines that may be the first of code: those that no such line stands above."""
    above = False
    for at, line in enumerate(lines):
        begins = _BEGINS.match(line) is not None
        if begins and not above:
            yield at
        above = begins or (above and _GOES_ON.match(line) is not None)


def _ends(lines: Sequence[str], start: int) -> Iterator[int]:
    """Where it may end, the farthest first: at the end, and where words begin that no code goes on with."""
    found = [
        at
        for at in range(start + 1, len(lines))
        if lines[at].strip() and not _BEGINS.match(lines[at]) and not _GOES_ON.match(lines[at])
    ]
    yield len(lines)
    yield from reversed(found[: _MOST_ENDS - 1])
