"""Code below an output that the root LM made up does not run."""

from __future__ import annotations

import pytest

from rlm_integrations import RLMEngine
from rlm_integrations.testing import ScriptedModel

from .dresses import LONG, blocks


@pytest.mark.parametrize("dress", ["```pycon\n{}\n```", "```repl\n{}\n```", "```\n{}\n```"])
@pytest.mark.parametrize("prompt", [">>> {}", "In [1]: {}", "In [1]:\n{}"])
def test_what_stands_below_an_output_in_a_session_that_was_made_up_does_not_run(dress: str, prompt: str) -> None:
    lines = [
        prompt.format("n = context.count('well')"),
        prompt.format("print(n)"),
        "Out[1]: 3",
        prompt.format("FINAL(3)"),
    ]
    with ScriptedModel([dress.format("\n".join(lines)), "FINAL(n)"]) as llm:
        assert RLMEngine(llm).run("How many?", context=LONG).answer == "4000"
    assert "\nNot run, since it stands below an output that you made up: 1 block." in llm.requests[1][-1].content
    assert "\n4000\n</output" in llm.requests[1][-1].content


@pytest.mark.parametrize(
    "said",
    [
        "Output: 3",
        "**Output:**",
        "The output is 3.",
        "Execution result:",
        "Observation: 3",
        "Step 1 of 20: ok\n<output 1a2b>\n3\n</output 1a2b>",
        "```output\n3\n```",
        "<tool_response>\n3\n</tool_response>",
        "Output:\n```\n3\n```",
    ],
)
def test_code_below_an_output_that_was_made_up_does_not_run(said: str) -> None:
    look, guess = "```repl\nprint(context.count('well'))\n```", "```repl\nFINAL('3 wells')\n```"
    with ScriptedModel([f"I count.\n{look}\n{said}\n\nSo there are 3.\n{guess}", "FINAL(4000 wells)"]) as llm:
        result = RLMEngine(llm).run("How many?", context=LONG)
    assert result.answer == "4000 wells"
    assert "\nNot run, since it stands below an output that you made up: 1 block." in llm.requests[1][-1].content
    assert "\n4000\n</output" in llm.requests[1][-1].content


@pytest.mark.parametrize("said", ["Then I print the output.", "Output the total next.", "Step 2 is this:", "Result"])
def test_words_between_blocks_make_no_output_up(said: str) -> None:
    assert blocks(f"```repl\nx = 1\n```\n{said}\n```repl\ny = 2\n```") == ("x = 1", "y = 2")
    assert blocks(f"Output:\n```repl\nx = 1\n```\n{said}\n") == ("x = 1",)
