"""What the REPL itself calls things: nothing else that is offered there may have these names. Standard library only."""

from __future__ import annotations

from rlm_integrations.wire.settings import ReplSettings

CONTEXT, ANSWER = "context", "answer"

_ALWAYS = ("search", "chunks", "cite", "SHOW_VARS", "FINAL", "FINAL_VAR", "exit", "quit")
_SUB_CALLS = (
    *("llm_query", "llm_query_batched", "llm_map", "llm_filter", "llm_pairs", "drop_unresolved", "llm_reduce"),
    *("rlm_query", "rlm_query_batched", "recursive_llm"),
    *("FailedSubCall", "SubCallError", "SubCallLimitError"),
)
_RETRIEVER = ("retrieve",)
OWN_NAMES = frozenset((CONTEXT, ANSWER, *_ALWAYS, *_SUB_CALLS, *_RETRIEVER))

HIDDEN_PREFIX = "_rlm_"
"""Names that begin so are those that a REPL needs for itself, where it shares the namespace of the code."""


def helper_names(settings: ReplSettings) -> tuple[str, ...]:
    """The functions and classes that the code finds besides `context`, `answer` and tools."""
    return (*_ALWAYS, *(_SUB_CALLS if settings.depth else ()), *(_RETRIEVER if settings.retriever else ()))


def is_own_name(name: str) -> bool:
    """Whether the name is the REPL's own in any run, or one that a REPL or Python keeps for itself."""
    return name in OWN_NAMES or name.startswith(HIDDEN_PREFIX) or (name.startswith("__") and name.endswith("__"))
