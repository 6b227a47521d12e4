"""What callback handlers with `raise_error=True` raise: it ends the run, and comes to the caller as it is.

So it does in any chain of LangChain. There it goes through whatever the handler was told of, a model's call for one,
which has not failed.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from rlm_integrations.core.calls.raised_instead import raising_instead
from rlm_integrations.core.trace.ends_run import EndsRunError
from rlm_integrations.langchain.graph_node import is_graph_signal

_CALL_HANDLERS = frozenset({"handle_event", "_ahandle_event_for_handler"})
"""The functions of `langchain_core.callbacks.manager` that do, with the locals `handler` and `event_name`.

Frames tell, since LangChain marks nothing: to wrap the handlers of the config would leave out those of a model's or a
tool's own `callbacks`, and a model's run is told of a handler's error (in `on_llm_new_token`) as of its own.
"""


def ends_run(error: Exception) -> bool:
    """Whether it is no failure of what raised it, and meant for the caller of the run."""
    return is_graph_signal(error) or came_from_handler(error)


def came_from_handler(error: Exception) -> bool:
    """Whether a handler raised it, which its notes then name."""
    step = error.__traceback__
    while step is not None:
        frame, step = step.tb_frame, step.tb_next
        if (
            frame.f_code.co_name in _CALL_HANDLERS
            and frame.f_globals.get("__name__") == "langchain_core.callbacks.manager"
        ):
            name = f"{frame.f_locals['handler'].__class__.__name__}.{frame.f_locals['event_name']}"
            note = f"The callback handler's {name} raised it, and so ended the run: the handler has raise_error=True."
            if note not in getattr(error, "__notes__", ()):
                error.add_note(note)
            return True
    return False


def handlers_end_run() -> AbstractContextManager[None]:
    """Around what calls handlers: raises EndsRunError with what they raise."""
    return raising_instead(_end_run)


def _end_run(error: BaseException) -> None:
    if isinstance(error, Exception) and not isinstance(error, EndsRunError) and came_from_handler(error):
        raise EndsRunError(error) from error
