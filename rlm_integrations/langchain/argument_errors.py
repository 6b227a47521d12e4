"""What pydantic finds wrong with a constructor's arguments, said as the errors of this package say it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from pydantic import ValidationError

from rlm_integrations.core.errors import InvalidArgumentError, RLMError


def argument_error(error: ValidationError, known: Iterable[str]) -> RLMError:
    """pydantic's error as ours. `known` are the arguments there are."""
    names, lines = list(known), list[str]()
    for problem in error.errors(include_url=False):
        name = ".".join(map(str, problem["loc"]))
        raised = problem.get("ctx", {}).get("error")
        if isinstance(raised, RLMError):
            lines.append(str(raised))
        elif problem["type"] == "extra_forbidden":
            close = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"the arguments are {', '.join(names)}"
            lines.append(f"{name}: unknown argument; {hint}")
        elif problem["type"] == "missing":
            lines.append(f"{name}: no model given; pass a LangChain chat model, for instance ChatOpenAI(model=...)")
        else:
            lines.append(f"{name}={problem['input']!r:.80}: {problem['msg'][:1].lower()}{problem['msg'][1:]}")
    return InvalidArgumentError("; ".join(lines))
