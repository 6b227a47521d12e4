"""RLMRunnable as a node of a LangGraph graph: what it reads of the state, and what it adds.

LangGraph is never imported here but where a graph has already done so.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, cast

from langchain_core.messages import AIMessage
from langchain_core.runnables.base import RunnableBindingBase
from langchain_core.runnables.configurable import DynamicRunnable

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.trace.result import RLMResult
from rlm_integrations.langchain.caller_warning import warn_caller
from rlm_integrations.langchain.response import bounded_report
from rlm_integrations.langchain.unread_keys import is_corpus


def read_state(state: object) -> dict[str, Any]:
    """The messages of a state, and the context where it has one: a mapping's keys, or another state's attributes.

    Documents under other names come along, to be warned of.

    Raises InvalidArgumentError for a state without messages.
    """
    if isinstance(state, list):
        return {"messages": cast("list[Any]", state)}
    found = {name: _entry(state, name) for name in ("messages", "context")}
    if found["messages"] is None:
        raise InvalidArgumentError(
            f'state: {type(state).__name__} has no "messages"; as_node() is for graphs with messages in their state, '
            'such as MessagesState; elsewhere write a node: lambda state: {"answer": rlm.invoke(...).text}'
        )
    entries = cast("Mapping[str, Any]", state) if isinstance(state, Mapping) else getattr(state, "__dict__", {})
    return found | {name: held for name, held in entries.items() if is_corpus(held)}


def _entry(state: object, name: str) -> Any:
    if isinstance(state, Mapping):
        return cast("Mapping[str, Any]", state).get(name)
    return getattr(state, name, None)


def state_update(message: AIMessage, result: RLMResult[Any]) -> dict[str, Any]:
    """What the node adds to the state: the answer's message, bounded, since checkpoints keep all messages for good.

    It carries the stop reason, no trace, and of the citations those that fit CITATIONS_CHARS as JSON.
    """
    report = bounded_report(result, "none")
    return {"messages": [message.model_copy(update={"response_metadata": {"rlm": report}})]}


def is_graph_signal(error: Exception) -> bool:
    """Whether it is how LangGraph stops a node (an `interrupt()`, a command to a parent), and so no failure."""
    errors = sys.modules.get("langgraph.errors")
    if errors is None:
        return False
    is_invalid_resume = getattr(errors, "is_invalid_resume", None)
    return isinstance(error, errors.GraphBubbleUp) or (is_invalid_resume is not None and is_invalid_resume(error))


def progress_writer() -> Callable[[Any], None] | None:
    """Writes to the `stream_mode="custom"` of the graph that is running here; None outside of one."""
    langgraph_config = sys.modules.get("langgraph.config")
    if langgraph_config is None:
        return None
    try:
        return langgraph_config.get_stream_writer()
    except (RuntimeError, KeyError):  # how it says that no graph is running
        return None


def warn_of_lost_answer(state: object, called: FrameType | None) -> None:
    """Warn where a runnable that gives a message is a node by itself: LangGraph drops the message in silence.

    Args:
        state: What the runnable was called with. A list is the whole state, and a message then adds to it.
        called: The frame of its `invoke`. An async step is a task, which does not know who waits for it.
    """
    while called is not None and called.f_back is not None and _is_wrapper(called.f_back.f_locals.get("self")):
        called = called.f_back
    if called is None or called.f_back is None or isinstance(state, list):
        return
    if _gives_what_the_node_gives(called.f_locals.get("self"), called.f_back):
        warn_caller(
            "RLMRunnable: it is a node of a LangGraph graph by itself, and the graph drops a message that a node "
            "returns; add rlm.as_node()"
        )


def _is_wrapper(caller: object) -> bool:
    """Whether it gives what the one runnable in it gives: a binding, or one with fields to choose."""
    return isinstance(caller, (RunnableBindingBase, DynamicRunnable))


def _gives_what_the_node_gives(step: object, caller: FrameType) -> bool:
    """Whether the caller is LangGraph's sequence of a node, in which only LangGraph's own steps come after this one."""
    if not str(caller.f_globals.get("__name__", "")).startswith("langgraph."):
        return False
    steps: list[object] = [*getattr(caller.f_locals.get("self"), "steps", ())]
    after = [each for place, each in enumerate(steps) if any(before is step for before in steps[:place])]
    return bool(after) and all(type(each).__module__.startswith("langgraph.") for each in after)
