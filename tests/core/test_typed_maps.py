"""An answer is refused while results of its maps are unresolved, and never lost for that."""

from __future__ import annotations

from typing import Any

import pytest

from rlm_integrations import RLMEngine
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
