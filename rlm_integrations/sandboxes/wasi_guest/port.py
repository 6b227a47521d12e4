"""Calls of the host by the functions of `repl/`: from the main code, and from tasks by their twins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rlm_integrations.repl.host_port import HostRefusalError
from rlm_integrations.sandboxes.wasi_guest.tasks import Run, Tasks, Wait
from rlm_integrations.sandboxes.wasi_guest.twins import give
from rlm_integrations.wire.calls import Call


class GuestPort:
    """Implements `HostPort`."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks

    def call(self, call: Call) -> Any:
        (reply,) = self.call_all([call])
        if isinstance(reply, HostRefusalError):
            raise reply
        return reply

    def call_all(self, calls: Sequence[Call]) -> list[Any]:
        asked = self._tasks.host.ask(calls)
        self._tasks.wait(asked)
        return asked.results

    def print_head(self, text: str) -> None:
        self._tasks.host.print_head(text)

    def call_all_of_a_task(self, calls: Sequence[Call]) -> Run:
        asked = self._tasks.host.ask(calls)
        yield Wait(asked)
        return asked.results


give(GuestPort.call_all, GuestPort.call_all_of_a_task)
