"""Replies that are longer than any model writes: they are kept, and neither code nor values are looked for in them."""

from __future__ import annotations

import pytest

from rlm_integrations import RLMEngine, RootModelError
from rlm_integrations.core.journal.kept_code import KeptCode
from rlm_integrations.core.usage import Usage
from rlm_integrations.testing import ScriptedModel

from .code_by_tool import Rounds, calling, code

SPENT = Usage(input_tokens=100, output_tokens=10)
CODE = "answer['content'] = 'of a long reply'\nanswer['ready'] = True"
LONG = f"```repl\n{CODE}\n```\n" + "x" * 600_000
DONE = "```repl\nanswer['content'] = 'done'\nanswer['ready'] = True\n```"


def test_code_in_a_root_reply_that_no_model_writes_does_not_run_and_the_root_is_told_why() -> None:
    root = ScriptedModel([LONG, DONE], usage=SPENT)
    result = RLMEngine(root).run("?", "x" * 9_000)
    assert result.text == "done"
    told = root.requests[1][-1].content
    assert f"the reply has {len(LONG):,} characters, and at most 600,000 are read. Reply again: " in told
    assert all(len(message.content) < 100_000 for message in root.requests[1])
    assert result.trace.iterations[0].reply == LONG
    assert result.usage.total_tokens == 220


def test_a_root_lm_that_writes_so_much_again_fails_with_these_words() -> None:
    with pytest.raises(RootModelError, match="characters, and at most 600,000 are read") as caught:
        RLMEngine(ScriptedModel([LONG, LONG], usage=SPENT)).run("?", "x" * 9_000)
    assert caught.value.result is not None
    assert caught.value.result.usage.total_tokens == 220


def test_a_call_that_hands_over_more_code_than_a_model_writes_does_not_run() -> None:
    root = Rounds(calling(code(f"{CODE} #" + "x" * 600_000)), calling(code(CODE.replace("of a long reply", "done"))))
    assert RLMEngine(root, protocol="tool").run("?", "x" * 9_000).text == "done"
    messages, rounds = root.sent[1]
    assert "at most 600,000 are read" in messages[-1].content
    assert not rounds


def test_a_journal_has_no_code_of_a_reply_that_was_too_long_to_be_read() -> None:
    assert KeptCode(by_tool=False).blocks({"text": LONG}) == []


def test_a_long_reply_of_a_sub_lm_is_whole_as_plain_text() -> None:
    sub = ScriptedModel(["y" * 3_000_000])
    root = ScriptedModel(["```repl\nFINAL(str(len(llm_query('a'))))\n```"])
    assert RLMEngine(root, sub_llm=sub).run("?", "x" * 9_000).text == "3000000"


@pytest.mark.parametrize(
    "reply",
    [
        f"<think>{'y ' * 350_000}</think>4",
        f"{'y ' * 900_000}</think>4",
        f"{'y' * 499_996}[/THINK]{'4' * 200_000}",
        f"<|channel|>analysis<|message|>{'y' * 700_000}<|end|><|start|>assistant<|channel|>final<|message|>4",
    ],
    ids=["tags", "a lone closing tag", "a tag between two pieces", "channels"],
)
def test_thoughts_in_a_long_reply_of_a_sub_lm_are_no_part_of_what_code_gets(reply: str) -> None:
    code = "try: r = llm_query('a')\nexcept Exception as e: r = str(e)\nFINAL(r[:500])"
    sub = ScriptedModel([reply], usage=SPENT)
    result = RLMEngine(ScriptedModel([f"```repl\n{code}\n```"]), sub_llm=sub).run("?", "x" * 9_000)
    assert f"the reply has {len(reply):,} characters, and its thoughts (" in result.text
    [call] = result.trace.executions[0].sub_calls
    assert call.reply == reply
    assert call.error is not None
    assert "were not taken out: that is done up to 600,000 (ask for less at once" in call.error


def test_a_long_reply_of_a_sub_lm_that_speaks_of_thinking_is_whole() -> None:
    reply = "I <b>think</b> that [thinkers] think. " * 20_000
    root = ScriptedModel(["```repl\nFINAL(str(len(llm_query('a'))))\n```"])
    assert RLMEngine(root, sub_llm=ScriptedModel([reply])).run("?", "x" * 9_000).text == str(len(reply))
