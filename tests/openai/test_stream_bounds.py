"""A stream that says nothing and never ends: what is held of it is bounded, whatever its chunks are made of."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from rlm_integrations.core.errors import RLMError
from rlm_integrations.openai.streaming import Folded

CHUNKS = 40_000


@pytest.mark.parametrize(
    "choice",
    [
        pytest.param(lambda n: {"index": n, "delta": {}}, id="choices"),
        pytest.param(lambda n: {"index": 0, f"field {n}": "x" * 1_000, "delta": {}}, id="fields of a choice"),
        pytest.param(lambda n: {"index": 0, "delta": {f"field {n}": ""}}, id="fields of a message"),
    ],
)
def test_more_and_more_that_is_no_text_is_ended(choice: Callable[[int], dict[str, Any]]) -> None:
    folded = Folded()

    def stream() -> None:
        for n in range(CHUNKS):
            folded.add(SimpleNamespace(choices=[choice(n)]))

    with pytest.raises(RLMError, match="the stream was ended"):
        stream()


def test_what_is_said_of_each_piece_anew_is_no_part_of_the_reply() -> None:
    folded = Folded()
    for _ in range(CHUNKS):
        folded.add(SimpleNamespace(choices=[{"index": 0, "logprobs": "x" * 1_000, "delta": {"content": ""}}]))
    folded.add(SimpleNamespace(choices=[{"index": 0, "finish_reason": "stop", "delta": {"content": "Fine."}}]))
    whole: Any = folded.completion()
    assert whole.choices[0].message.content == "Fine."
