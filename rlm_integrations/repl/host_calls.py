"""Calls of the host from model code: refusals become exceptions there. Also the calls that are nothing more."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NoReturn

from rlm_integrations.repl.awaitable_replies import Awaiting
from rlm_integrations.repl.corpus_view import CorpusView, DocumentDict
from rlm_integrations.repl.host_port import HostPort, HostRefusalError
from rlm_integrations.wire import calls

_encode = json.JSONEncoder(ensure_ascii=False).encode


class SubCallLimitError(RuntimeError):
    """The budget has no room for the sub-calls that were asked for; none was sent."""


class SubCallError(RuntimeError):
    """A sub-call failed."""


def ask(host: HostPort, call: calls.Call, failed: type[Exception] = RuntimeError) -> Any:
    """Call the host. Raises TypeError, ValueError, SubCallLimitError or `failed`, as the host refuses."""
    try:
        return host.call(call)
    except HostRefusalError as refusal:
        raise_refusal(refusal, failed)


def raise_refusal(refusal: HostRefusalError, failed: type[Exception]) -> NoReturn:
    kinds: dict[str, type[Exception]] = {"type": TypeError, "value": ValueError, "budget": SubCallLimitError}
    raise kinds.get(refusal.kind, failed)(refusal.message) from None


class Retrieve:
    """Holds what the function that the model calls needs."""

    def __init__(self, host: HostPort, corpus: CorpusView, awaiting: Awaiting | None = None) -> None:
        self._host = host
        self._corpus = corpus
        self._awaiting = awaiting or Awaiting()

    def retrieve(self, query: str) -> list[DocumentDict]:
        """Fetch documents for a query from the full collection; those that are new are added to `context`."""
        if not isinstance(query, str) or not query.strip():  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"query: {type(query).__name__} given; pass a str that is not empty")
        if len(query) > calls.MAX_QUERY_CHARS:
            most = f"at most {calls.MAX_QUERY_CHARS:,} are taken"
            raise ValueError(f"query: {len(query):,} characters, {most}; ask for less")
        return self._awaiting.given(self._corpus.add(ask(self._host, calls.Retrieve(str.__str__(query)))))


def tool_function(host: HostPort, name: str, awaiting: Awaiting | None = None) -> Callable[..., Any]:
    """A function that has the host call one of its tools."""
    awaiting = awaiting or Awaiting()

    def call_tool(*args: Any, **kwargs: Any) -> Any:
        call = calls.CallTool(name, list(args), kwargs)
        try:
            size = len(_encode(call.to_payload()))
        except (TypeError, ValueError) as error:
            problem = f"{name}: arguments must be plain values, lists and dicts ({error}); nothing was sent"
            raise TypeError(problem) from None
        if size > calls.MAX_ARGUMENT_CHARS:
            problem = f"{size:,} characters of arguments, at most {calls.MAX_ARGUMENT_CHARS:,} are taken"
            raise ValueError(f"{name}: {problem}; pass less, nothing was sent")
        return awaiting.given(ask(host, call))

    call_tool.__name__ = call_tool.__qualname__ = name
    return call_tool
