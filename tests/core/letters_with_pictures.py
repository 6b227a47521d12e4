"""Letters with pictures, and runs over them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from rlm_integrations import Document, Image, Message, RLMEngine, RLMResult
from rlm_integrations.testing import ScriptedModel


def png(seed: int = 0) -> bytes:
    """Begins as a PNG does; another for each seed."""
    return b"\x89PNG\r\n\x1a\n" + seed.to_bytes(4, "big")


ANN, BO = Image(png(1), name="kettle.png"), Image(png(2), name="lamp.png")
LETTERS = [
    Document("ann", "The kettle leaks, see the picture.", {}, (ANN,)),
    Document("bo", "Two pictures of the lamp.", {"year": 2021}, (BO, ANN)),
    Document("cy", "No picture."),
    Document("scan", "", {}, (Image(png(4), name="scan.png"),)),
]


def repl(code: str) -> str:
    return f"```repl\n{code}\nFINAL(str(got))\n```"


def see(messages: Sequence[Message]) -> str:
    return f"I see {', '.join(image.name for image in messages[-1].images) or 'nothing'}"


def run(
    code: str, context: Any = LETTERS, sub_llm: ScriptedModel | None = None, **options: Any
) -> tuple[RLMResult[str], ScriptedModel]:
    """The result of a run whose root LM runs this code and answers with its `got`, and its sub-LM."""
    sub = sub_llm or ScriptedModel(always=see)
    with ScriptedModel([repl(code)]) as llm:
        return RLMEngine(llm, sub_llm=sub, **options).run("What is broken?", context), sub


SANDBOXES = pytest.mark.parametrize("sandbox", ["process", "wasi"])
