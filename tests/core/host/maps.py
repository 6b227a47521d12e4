"""Typed maps over sub-LMs whose replies a test writes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from rlm_integrations.core.calls.budget import Budget
from rlm_integrations.core.calls.model_calls import ModelCalls
from rlm_integrations.core.calls.model_path import ModelPath
from rlm_integrations.core.host.open_maps import OpenMaps
from rlm_integrations.core.host.reservations import Reservations
from rlm_integrations.core.host.step_record import StepRecord
from rlm_integrations.core.host.sub_calls import SubCalls
from rlm_integrations.core.host.typed_maps import TypedMaps
from rlm_integrations.core.language_model import Message
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.trace.events import Event, SubCallEnded
from rlm_integrations.testing import ScriptedModel
from rlm_integrations.testing.scripted_model import Reply
from rlm_integrations.wire.calls import LlmMap
from rlm_integrations.wire.typed_maps import MapItem, MapKind, MapTask, write_map

ENTRY = re.compile(r"^\[(\d+-[0-9a-f]{4,8})\] (.*(?:\n  .*)*)", re.MULTILINE)


def entries(prompt: str) -> list[tuple[str, str]]:
    """Mark and text of each item of a prompt; of a lone item the text, without a mark."""
    found = [(mark, text.split("\n  (asked before: ")[0]) for mark, text in ENTRY.findall(prompt)]
    return found or [("", prompt.rpartition("\n\n")[2].split("\n  (asked before: ")[0])]


class Maps:
    """The maps of one node, with a sub-LM that is a function of its prompt."""

    def __init__(self, reply: Callable[[str], Reply], *, max_chars: int = 10_000, **limits: Any) -> None:
        self.prompts: list[str] = []
        self.ended: list[SubCallEnded] = []

        def replying(messages: Sequence[Message]) -> Reply:
            self.prompts.append(messages[-1].content)
            return reply(messages[-1].content)

        self.budget = Budget(RLMLimits(**limits), lambda: 0.0)
        self.calls = ModelCalls(self.budget)
        reservations = Reservations(self.budget, 1, self._emit)
        path = ModelPath(ScriptedModel(always=replying), "sub_llm", None)
        sub_calls = SubCalls(self.calls, path, max_chars, reservations, self._emit)
        self.open = OpenMaps()
        self.maps = TypedMaps(sub_calls, reservations, self.budget, self.open, max_chars)
        self.step = StepRecord(1, lambda: 0.0)

    async def _emit(self, event: Event) -> None:
        if isinstance(event, SubCallEnded):
            self.ended.append(event)

    async def ask(
        self,
        items: Sequence[str | MapItem],
        schema: dict[str, Any] | None = None,
        *,
        kind: MapKind = "map",
        instruction: str = "Do it.",
        map_id: int | None = None,
    ) -> tuple[dict[int, Any], dict[int, str]]:
        task = MapTask(kind, "" if kind == "query" else instruction, schema)
        read = [item if isinstance(item, MapItem) else MapItem(n, item) for n, item in enumerate(items)]
        answer = await self.maps.ask(LlmMap(write_map(task, read), map_id), self.step)
        self.last_id = answer["map"]
        return dict(answer["values"]), dict(answer["left"])


def upper(prompt: str) -> str:
    return "\n".join(f"[{mark}] {text.upper()}" if mark else text.upper() for mark, text in entries(prompt))
