"""An answer is refused while results of its maps are unresolved, and never lost for that."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from functools import partial
from random import Random
from typing import Any

import pytest

from rlm_integrations import Message, RLMEngine, SubCallsReserved
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


def test_a_thousand_items_come_back_complete_and_right_from_a_noisy_model() -> None:
    """Through the engine and its process."""
    chance = Random(7)

    def noisy(messages: Sequence[Message]) -> str:
        """It leaves out some, says nonsense of some, and begins with words."""
        marked = re.findall(r"^\[(\d+-[0-9a-f]+)\] item (\d+)", messages[-1].content, re.MULTILINE)
        if not marked:
            return messages[-1].content.rpartition("item ")[2].split()[0]
        said = [(mark, n if chance.random() > 0.05 else "many") for mark, n in marked if chance.random() > 0.05]
        return "Sure:\n\n" + "\n".join(f"**[{mark}]**: {n}" for mark, n in said)

    code = (
        "found = llm_map('Which number?', [f'item {n}' for n in range(1000)], schema=int)\n"
        "FINAL(str((list(found) == list(range(1000)), found.unresolved)))"
    )
    engine = RLMEngine(ScriptedModel([f"```repl\n{code}\n```"]), sub_llm=ScriptedModel(always=noisy))
    result: Any = engine.run("How many?", "a text")
    assert (result.answer, result.trace.warnings) == ("(True, {})", [])


@pytest.mark.parametrize("way", ["run", "arun"])
async def test_of_a_child_that_leaves_results_unresolved_its_parent_is_told(way: str) -> None:
    def child(messages: Sequence[Message]) -> str:
        if "Count." in messages[-1].content and "```" not in messages[-1].content:
            return "no idea"
        return f"```repl\n{MAP}\nFINAL(7)\n```"

    code = "got = rlm_query('?', context)\nprint(got)\nFINAL(got)"
    engine = RLMEngine(
        ScriptedModel([f"```repl\n{code}\n```"]),
        sub_llm=ScriptedModel(always=child),
        limits={"max_depth": 2, "max_sub_calls": 200, "max_iterations": 2},
    )
    ask = engine.arun if way == "arun" else partial(asyncio.to_thread, engine.run)
    result: Any = await ask("How many?", "a text " * 2_000)
    [call] = [call for call in result.trace.iterations[0].execution.sub_calls if call.child is not None]
    assert call.child.answer == "7"
    assert "2 of 2 unresolved" in call.child.iterations[0].observation
    assert "some are missing" in result.trace.iterations[0].execution.output


def test_a_check_that_never_ends_is_ended_with_its_step_and_loses_nothing_else() -> None:
    sub = ScriptedModel(always=lambda messages: "7")
    loop = "kept = 5\nfound = llm_map('Count.', ['a'], schema=int, check=lambda n: [0 for _ in iter(int, 1)])"
    replies = [f"```repl\n{loop}\n```", "```repl\nFINAL(kept)\n```"]
    result: Any = RLMEngine(ScriptedModel(replies), sub_llm=sub, limits={"step_timeout_s": 0.3}).run("?", "a text")
    first = result.trace.iterations[0].execution
    assert result.answer == "5"
    assert first.error is not None
    assert "the limit of a step" in first.error
    assert [call.reply for call in first.sub_calls] == ["7"]


def test_a_check_that_raises_keeps_what_was_found_and_says_why() -> None:
    sub = ScriptedModel(always=lambda messages: "7")
    code = "found = llm_map('Count.', ['a'], schema=int, check=lambda n: n['x'])\nFINAL(7)"
    then = "print(found.refused)\nfound[0] = found.refused[0]\nFINAL(found[0])"
    result: Any = RLMEngine(ScriptedModel([f"```repl\n{code}\n```", f"```repl\n{then}\n```"]), sub_llm=sub).run(
        "?", "a text"
    )
    assert (result.answer, result.trace.warnings) == ("7", [])
    assert "the check raised TypeError" in result.trace.iterations[0].observation
    assert result.trace.usage is not None
    assert len(result.trace.iterations[0].execution.sub_calls) == 1
