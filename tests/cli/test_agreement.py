"""A real model is asked only after somebody at the terminal agreed to what it may cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rlm_integrations.testing import ScriptedModel

from .conftest import MAIN, SMALL_DEMO


@pytest.mark.parametrize(("typed", "status", "asked"), [(b"n\n", 1, 0), (b"y\n", 0, 1)])
def test_the_demo_asks_before_it_spends(
    typed: bytes, status: int, asked: int, run_code: Callable[..., tuple[int, str]], model_server: Any
) -> None:
    model = ScriptedModel(always=lambda messages: "```repl\nFINAL('crates: 1')\n```")
    model_server.models["root"] = model
    code, written = run_code(SMALL_DEMO + MAIN, typed, "demo", "--model", "root", "--base-url", model_server.url)
    assert code == status, written
    assert "300,000. Go on? [y/N]" in written
    assert ("No model was asked." in written) == (not asked)
    assert len(model.requests) == asked
