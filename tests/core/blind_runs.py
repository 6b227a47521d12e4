"""Several runs of one question."""

from __future__ import annotations

from typing import Any

from rlm_integrations import Usage
from rlm_integrations.testing import ScriptedModel

SPENT = Usage(input_tokens=100, output_tokens=10, cost_usd=0.01)


def model(*replies: Any) -> ScriptedModel:
    return ScriptedModel(replies, usage=SPENT)
