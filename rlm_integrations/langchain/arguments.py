"""Arguments of the runnable and of its calls: what they mean, and what is wrong with them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from pydantic import ValidationError

from rlm_integrations.core.errors import InvalidArgumentError, RLMError


@dataclass(frozen=True, slots=True)
class CallOptions:
    """The keywords of a call, which `with_structured_output`, `with_sources` and `as_node` bind."""

    answer_type: Any = None
    include_raw: bool = False
    with_sources: bool = False
    as_node: bool = False

    @classmethod
    def of(cls, keywords: Mapping[str, Any]) -> CallOptions:
        """Raises InvalidArgumentError for any other keyword: what is meant for a model is refused, not lost."""
        unknown = set(keywords) - {field.name for field in fields(cls)}
        if unknown:
            name = min(unknown)
            raise InvalidArgumentError(
                f"{name}: a call takes no such keyword; bind what is meant for the model to the model: "
                f"llm=llm.bind({name}=...)"
            )
        return cls(**keywords)


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
