"""What pydantic finds wrong with a constructor's arguments, said as the errors of this package say it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from pydantic import ValidationError

from rlm_integrations.core.errors import InvalidArgumentError, RLMError
from rlm_integrations.core.limits import limit_meant
from rlm_integrations.core.wording import value_words

_WANTED = {
    "string_type": "a str",
    "list_type": "a list",
    "dict_type": "a dict",
    "bool_type": "True or False",
    "bool_parsing": "True or False",
    "callable_type": "a function",
}
"""For what pydantic says in other words than a user's."""
_CONTEXT = frozenset(
    "docs documents document corpus texts text data splits chunks loader retriever files paths source sources".split()  # noqa: SIM905
)
"""What else a corpus may be called."""
_TYPES = frozenset(
    "answer_type output_cls output_type response_format response_model output_schema schema output_parser".split()  # noqa: SIM905
)
SESSION_ID = 'it goes with each call of RLMRunnable: rlm.invoke(question, {"configurable": {"session_id": ...}})'
_OTHERS: dict[str, str] = {
    "model": "the root LM is llm=...",
    "chat_model": "the root LM is llm=...",
    "sub_model": "it is sub_llm=...",
    "prompt": "what is added to the root LM's system prompt is instructions=..., and prompt | RLMRunnable(...) asks it",
    "callbacks": "pass them with a call, or bind them: RLMRunnable(...).with_config(callbacks=[...])",
    "memory": "what was said before goes with each call, as chat_history, or stays in a session",
    "session_id": SESSION_ID,
    "verbose": "to see a run go on: on_event=ConsoleProgress() of rlm_integrations.terminal",
    "temperature": "it is the model's: llm=ChatOpenAI(temperature=...)",
    "input_price": 'pass prices={"llm": {"input_price": ..., "output_price": ...}}',
    "output_price": 'pass prices={"llm": {"input_price": ..., "output_price": ...}}',
    "max_tokens": "a reply's are the model's: llm=ChatOpenAI(max_tokens=...), a run's limits={'max_total_tokens': ...}",
    "vectorstore": "pass it as context: context=vectorstore.as_retriever()",
    "vector_store": "pass it as context: context=vector_store.as_retriever()",
}


def _remedy(name: str, value: object) -> str | None:
    """What to write in place of an argument that there is not, where it is known what is meant."""
    if name in _OTHERS:
        return _OTHERS[name]
    if name in _CONTEXT:
        return f"pass it as context: context={name}"
    if (limit := limit_meant(name)) is not None:
        return f'it is a limit: limits={{"{limit}": {value!r:.40}}}'
    if name in _TYPES:
        return "for a typed answer: RLMRunnable(...).with_structured_output(...)"
    return None


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
        meant = _remedy(name, first["input"])
        hint = f"did you mean {close[0]!r}?" if close else f"the arguments are {', '.join(names)}"
        return f"{name}: unknown argument; {meant or hint}"
    if first["type"] == "missing":
        return f"{name}: no model given; pass a LangChain chat model, for instance ChatOpenAI(model=...)"
    wanted = (
        _WANTED.get(problem["type"]) or problem["msg"].removeprefix("Input should be ").removeprefix("a valid ")
        for problem in problems
    )
    return f"{name}={value_words(first['input'])}: pass {' or '.join(dict.fromkeys(wanted))}"
