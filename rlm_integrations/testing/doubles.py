"""What a framework's double has of the double of ours that it stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rlm_integrations.core.language_model import Completion, Message, ToolSpec
from rlm_integrations.testing.exhaustible import Exhaustible
from rlm_integrations.testing.replaying_model import ReplayingModel


class FrameworkDouble(Exhaustible):
    """A model object of a framework over its `double`, a ScriptedModel or a ReplayingModel."""

    double: Any

    @property
    def requests(self) -> list[tuple[Message, ...]]:
        """Every request so far, in the order of arrival, as the core's messages."""
        return self.double.requests

    def assert_exhausted(self) -> None:
        """Raise ScriptExhausted if replies were left over, or if a request found none."""
        self.double.assert_exhausted()

    def completion(self, request: Sequence[Message], tools: Sequence[Mapping[str, Any]]) -> Completion:
        """The reply to a request that offers tools, as OpenAI's API describes them."""
        if not tools or isinstance(self.double, ReplayingModel):
            return self.double.complete_sync(request)
        return self.double.reply(request, [ToolSpec(**tool["function"]) for tool in tools])
