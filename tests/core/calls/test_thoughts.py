from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_integrations import Completion, RLMEngine
from rlm_integrations.core.calls import model_calls
from rlm_integrations.core.calls.thoughts import split_thoughts
from rlm_integrations.core.calls.token_counts import silently_cut
from rlm_integrations.core.host import sub_calls
from rlm_integrations.testing import ScriptedModel

CODE = "```repl\nFINAL(len(context))\n```"
DRAFT = "```repl\nFINAL('a guess')\n```"


@pytest.mark.parametrize(
    ("text", "said", "thoughts"),
    [
        (f"<think>\nI guess:\n{DRAFT}\nNo.\n</think>\n{CODE}", CODE, f"I guess:\n{DRAFT}\nNo."),
        (f"I guess:\n{DRAFT}\nNo.</think>\n\n{CODE}", CODE, f"I guess:\n{DRAFT}\nNo."),
        (f"It begins:\n```repl\nx = 1\n</think>\n{CODE}", CODE, "It begins:\n```repl\nx = 1"),
        ("<think>\nAnd so on and so", "", "And so on and so"),
        ("<thinking>a</thinking>b", "b", "a"),
        ("  <reasoning>a</reasoning> b", "b", "a"),
        ("<seed:think>a</seed:think>b", "b", "a"),
        ("[THINK]a[/THINK]b", "b", "a"),
        ("◁think▷a◁/think▷b", "b", "a"),
        ("<think>a</think>b\n<think>c</think>\nd", "b\n\nd", "a\n\nc"),
        ("<think></think>b", "b", ""),
        (
            "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b<|return|>",
            "b",
            "a",
        ),
        ("<|channel|>final<|message|>b", "<|channel|>final<|message|>b", ""),
        (
            "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>commentary to=python "
            "<|constrain|>json<|message|>{}<|call|>",
            "{}",
            "a",
        ),
        ("analysisI count.assistantfinalEleven.", "Eleven.", "I count."),
    ],
)
def test_thoughts_are_taken_out(text: str, said: str, thoughts: str) -> None:
    assert split_thoughts(text) == (said, thoughts)


@pytest.mark.parametrize(
    "text",
    [
        CODE,
        "Between `<think>` and `</think>` stands what a model thinks.",
        "```repl\nparts = reply.split('</think>')\n```",
        "```repl\nprint('''\n<think>\nkept\n''')\n```",
        "The form has these fields:\n<reasoning>why</reasoning>",
        "analysis of the final report",
        "I think so.",
        "",
    ],
)
def test_what_only_speaks_of_thoughts_stays_whole(text: str) -> None:
    assert split_thoughts(text) == (text, "")


@pytest.mark.parametrize("token", ["<|im_end|>", "</s>", "<|eot_id|>\n", " <end_of_turn> "])
def test_stop_tokens_at_the_end_go(token: str) -> None:
    assert split_thoughts(CODE + token) == (CODE, "")
    assert split_thoughts(f"a{token}b") == (f"a{token}b", "")


WORDS = st.text("ab \n.", max_size=20)


@given(thoughts=WORDS, said=WORDS)
def test_what_stands_behind_the_thoughts_is_what_is_said(thoughts: str, said: str) -> None:
    for text in (f"<think>{thoughts}</think>{said}", f"{thoughts}</think>{said}"):
        if thoughts.strip():
            assert split_thoughts(text) == (said.strip(), thoughts.strip())


def test_thoughts_of_both_models_are_kept_in_the_trace_and_nothing_of_them_is_run_answered_or_counted() -> None:
    def sub(messages: Any) -> str:
        return "<think>\n[1] no\n[2] no\nBut a pear is a fruit.\n</think>\n[1] yes\n[2] no"

    asks = "```repl\nFINAL(' '.join(llm_map('A fruit?', ['pear', 'brick'])))\n```"
    root = ScriptedModel([f"<think>\n{DRAFT}\n</think>\n{asks}"])
    result = RLMEngine(root, sub_llm=ScriptedModel(always=sub)).run("?", "a line\n" * 20_000)
    assert result.answer == "yes no"
    [iteration] = result.trace.iterations
    assert (iteration.call.thoughts, iteration.reply) == (DRAFT, asks)
    assert iteration.execution is not None
    [call] = iteration.execution.sub_calls
    assert call.thoughts.endswith("But a pear is a fruit.")
    assert call.reply == "[1] yes\n[2] no"


def test_what_a_server_says_was_thought_comes_first() -> None:
    class Model:
        async def complete(self, messages: Any) -> Completion:
            return Completion(f"<think>two</think>{CODE}", thoughts="one")

    result = RLMEngine(Model()).run("?", "a line\n" * 20_000)
    assert result.trace.iterations[0].call.thoughts == "one\n\ntwo"


async def test_long_texts_are_read_off_the_callers_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: dict[str, set[bool]] = {"split_thoughts": set(), "silently_cut": set()}
    loop_thread = threading.get_ident()

    def noted(name: str, function: Any) -> Any:
        def run(*arguments: Any) -> Any:
            threads[name].add(threading.get_ident() == loop_thread)
            return function(*arguments)

        return run

    monkeypatch.setattr(model_calls, "split_thoughts", noted("split_thoughts", split_thoughts))
    monkeypatch.setattr(sub_calls, "silently_cut", noted("silently_cut", silently_cut))
    asks = "```repl\nFINAL(llm_query('word ' * 15_000))\n```"
    for length, on_loop in ((10, {True}), (40_000, {True, False})):  # the root LM's own reply is short
        sub = ScriptedModel(always=lambda messages, n=length: "<think>\n" * n)
        await RLMEngine(ScriptedModel([asks, CODE]), sub_llm=sub).arun("?", "a line\n" * 20_000)
        assert threads["split_thoughts"] == on_loop
    assert threads["silently_cut"] == {False}
