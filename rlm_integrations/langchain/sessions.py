"""The sessions of a runnable: a call whose config names one goes on in the REPL of that one's calls before."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from langchain_core.runnables import RunnableConfig

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.session.memory import SessionMemory
from rlm_integrations.frozen import frozen


@frozen
class Session:
    """What calls with one id share."""

    memory: SessionMemory | None
    """None: it is a call for itself."""
    prepared: Any
    """The PreparedContext that they are over."""
    context: Any
    """Its RunContext, which remembers what its retriever brought."""


class Sessions:
    """By id, as many as `limits.max_sessions`: of more, the one that was asked longest ago ends.

    Any thread may call. A copy has none, for a REPL cannot be copied.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: OrderedDict[str, tuple[SessionMemory, Session]] = OrderedDict()

    def of(self, id: str | None, prepared: Any, make_context: Callable[[Any], Any], most: int) -> Session:
        """That session, over this context. Within one of its own questions a call is for itself.

        Args:
            id: As the config has it; None: there is no session.
            prepared: A PreparedContext.
            make_context: Gives its RunContext, where it is not the one of the calls before.
            most: How many sessions may be kept.
        """
        if id is None:
            return Session(None, prepared, make_context(prepared))
        with self._lock:
            memory, session = self._open.get(id) or (SessionMemory(None, id), None)
            if memory.is_asked_here:
                return Session(None, prepared, make_context(prepared))
            self._open.pop(id, None)
            if session is None or not session.prepared.is_like(prepared):
                session = Session(memory, prepared.for_a_session(), make_context(prepared))
            self._open[id] = memory, session
            ended = [self._open.popitem(last=False)[1] for _ in range(len(self._open) - most)]
        for old, _ in ended:
            old.end()
        return session

    def __del__(self) -> None:
        for memory, _ in self._open.values():
            memory.end()

    def __reduce__(self) -> tuple[type[Sessions], tuple[()]]:
        return Sessions, ()


def session_id(config: RunnableConfig, key: str | None) -> str | None:
    """What the config has under that name in "configurable"; None where it has nothing.

    Raises:
        InvalidArgumentError: It is nothing that can name a session.
    """
    given: Mapping[str, Any] = config.get("configurable") or {}
    found = None if key is None else given.get(key)
    if found is None or found == "":
        return None
    if not isinstance(found, (str, int, UUID)):
        raise InvalidArgumentError(f'config["configurable"][{key!r}]: {type(found).__name__} given; pass a str')
    return str(found)
