"""Numbers, names, errors and foreign words, as messages to people and to models put them."""

from __future__ import annotations

from collections.abc import Sequence

_ERROR_CHARS = 500


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
    return f"{content[: chars - tail]} … {content[len(content) - tail :]}"


def error_words(error: BaseException) -> str:
    """An exception in one line, as the root LM and the trace show it."""
    name = type(error).__name__
    try:
        said = str(error)
    except Exception:  # a tool may raise whatever it likes
        said = "it does not say why"
    if isinstance(error, TimeoutError) and not said:
        said = "it took too long"
    return f"{name}: {said}"[:_ERROR_CHARS]
