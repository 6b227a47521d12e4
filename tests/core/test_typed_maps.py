"""An answer is refused while results of its maps are unresolved, and never lost for that."""

from __future__ import annotations

from typing import Any

import pytest

from rlm_integrations import RLMEngine, SubCallsReserved
from rlm_integrations.testing import ScriptedModel

MAP = 'found = llm_map("Count.", ["a", "b"], schema=int)'


def run(*codes: str, **limits: Any) -> Any:
    replies = [code if code.startswith("FINAL") else f"```repl\n{code}\n```" for code in codes]
    sub = ScriptedModel(always=lambda messages: "no idea")
    return RLMEngine(ScriptedModel(replies), sub_llm=sub, limits=limits).run("How many?", "a text")


@pytest.mark.parametrize("remedy", ["found.drop_unresolved()", "drop_unresolved()", "found[0] = 1\nfound[1] = 2"])
def test_an_answer_waits_until_what_is_unresolved_is_settled(remedy: str) -> None:
    result = run(f"{MAP}\nFINAL(7)", f"{remedy}\nFINAL(8)")
    assert (result.answer, result.trace.warnings) == ("8", [])
    assert "llm_map “Count.”: 2 of 2 unresolved, at 0, 1 (the reply 'no idea'" in result.trace.iterations[0].observation


def test_a_final_without_code_is_refused_too() -> None:
    result = run(MAP, "FINAL(7)", "drop_unresolved()\nFINAL(8)")
    assert result.answer == "8"
    assert "answer not accepted" in result.trace.iterations[1].observation


def test_at_a_limit_the_answer_is_taken_with_a_warning() -> None:
    with pytest.warns(RuntimeWarning, match="unresolved results"):
        result = run(f"{MAP}\nFINAL(7)", max_iterations=1)
    assert result.answer == "7"
    assert "2 of 2 unresolved, at 0, 1" in result.trace.warnings[0]


def test_before_a_map_is_asked_it_is_said_what_it_costs_about() -> None:
    told: list[SubCallsReserved] = []
    code = (
        "found = llm_map('Is it warm?', [f'item {n} ' * 50 for n in range(200)])\ndrop_unresolved()\nFINAL(len(found))"
    )
    prices = {"llm": {"input_price": 1.0, "output_price": 1.0}}
    engine = RLMEngine(
        ScriptedModel([f"```repl\n{code}\n```"]),
        sub_llm=ScriptedModel(always=lambda messages: "no idea"),
        prices={**prices, "sub_llm": prices["llm"]},
        on_event=lambda event: told.append(event) if isinstance(event, SubCallsReserved) else None,
    )
    assert engine.run("How many?", "a text").answer == "200"
    first = told[0]
    assert first.count >= 4
    assert first.cost_usd is not None
    assert first.cost_usd > 200 * 50 * 7 / 4 / 1_000_000
