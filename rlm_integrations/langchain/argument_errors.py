"""What pydantic finds wrong with a constructor's arguments, said as the errors of this package say it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from pydantic import ValidationError

from rlm_integrations.core.errors import InvalidArgumentError, RLMError

_WANTED = {
    "string_type": "a str",
    "list_type": "a list",
    "dict_type": "a dict",
    "bool_type": "True or False",
    "bool_parsing": "True or False",
    "callable_type": "a function",
}
"""For what pydantic says in other words than a user's."""


def argument_error(error: ValidationError, known: Iterable[str]) -> RLMError:
    """pydantic's error as ours. `known` are the arguments there are."""
    names = list(known)
    found = groupby(error.errors(include_url=False), key=lambda problem: "".join(map(str, problem["loc"][:1])))
    return InvalidArgumentError("; ".join(_explain(name, list(problems), names) for name, problems in found))


def _explain(name: str, problems: Sequence[Any], names: list[str]) -> str:
    """In one clause. Several problems of one argument are those of the types that it may have."""
    first = problems[0]
    raised = first.get("ctx", {}).get("error")
    if isinstance(raised, RLMError):
        return str(raised)
    if first["type"] == "extra_forbidden":
        close = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"the arguments are {', '.join(names)}"
        return f"{name}: unknown argument; {hint}"
    if first["type"] == "missing":
        return f"{name}: no model given; pass a LangChain chat model, for instance ChatOpenAI(model=...)"
    wanted = (
        _WANTED.get(problem["type"]) or problem["msg"].removeprefix("Input should be ").removeprefix("a valid ")
        for problem in problems
    )
    return f"{name}={first['input']!r:.80}: pass {' or '.join(dict.fromkeys(wanted))}"
