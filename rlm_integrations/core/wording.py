"""Numbers, names, errors and foreign words, as messages to people and to models put them."""

from __future__ import annotations

from collections.abc import Sequence

from rlm_integrations.core.recorded_failure import RecordedFailureError
from rlm_integrations.repl.bounded_repr import bounded_repr

FOREIGN_CHARS = 300
"""Of words that we pass on in a line of ours: an exception's, a validator's."""

_ERROR_CHARS = 500
_VALUE_CHARS = 80
_CUT = " … "


def number(n: int) -> str:
    """As the models read it: 1,234."""
    return f"{n:,}"


def plural(n: int, one: str, many: str | None = None) -> str:
    return f"{number(n)} {one if n == 1 else many or one + 's'}"


def listed(names: Sequence[str]) -> str:
    """As prose has it: "a, b and c"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def shortened(content: str, chars: int) -> str:
    """Head and tail where it is longer: what is asked often stands last."""
    if len(content) <= chars:
        return content
    tail = chars // 3
    return f"{content[: chars - tail]}{_CUT}{content[len(content) - tail :]}"


def one_line(words: str, chars: int = FOREIGN_CHARS) -> str:
    """Foreign words as they may stand beside ours, outside of a fence: a line break would let them pass for ours.

    All that `str.splitlines` takes for a line's end becomes a space. At most `chars` characters.
    """
    whole = words if len(words) <= chars else shortened(words, chars - len(_CUT))
    return " ".join(whole.splitlines())


def value_words(value: object) -> str:
    """What a user passed, as an error about it shows it: the beginning of its repr, of which no more is made."""
    try:
        return bounded_repr(value, _VALUE_CHARS)[:_VALUE_CHARS]
    except Exception:  # a number too long to be written, what is nested too deeply, a repr of a user's own
        return type(value).__name__


def error_words(error: BaseException) -> str:
    """An exception in one line, as the root LM and the trace show it."""
    if isinstance(error, RecordedFailureError):
        return str(error)
    name = type(error).__name__
    try:
        said = str(error)
    except BaseException:  # a tool may raise whatever it likes, whose words may raise that again
        said = "it does not say why"
    if isinstance(error, TimeoutError) and not said:
        said = "it took too long"
    return f"{name}: {said}"[:_ERROR_CHARS]
