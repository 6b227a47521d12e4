from __future__ import annotations

import re
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
CALL = '<tool_call>\n{"name": "python", "arguments": {"code": "total = 1"}}\n</tool_call>'
CALLS = "<|channel|>commentary to=python code<|message|>total = 1<|call|>"
GUESSES = (
    "<|start|>assistant<|channel|>final<|message|>FINAL(3)<|return|>",
    f"<|start|>assistant<|channel|>final<|message|>{DRAFT}<|return|>",
    "<|start|>assistant<|channel|>commentary to=python code<|message|>FINAL('3')<|call|>",
    "<|start|>python to=assistant<|channel|>commentary<|message|>3<|end|>"
    "<|start|>assistant<|channel|>commentary to=python code<|message|>FINAL('3')<|call|>",
    "<|start|>python<|message|>3<|end|><|start|>assistant<|channel|>final<|message|>It is 3.",
    "commentary<|channel|>final<|message|>It is 3.",
)
"""Of what a tool said, or made of it, where a server missed that a call of it ends the turn."""


SPELT = (
    *(("< think >", "</ think >"), ("<think >", "< /think>"), ("&lt;think&gt;", "&lt;/think&gt;")),
    *(("&lt; thinking &gt;", "</thinking>"), ("< reasoning >", "< / reasoning >")),
)


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
        ("<|channel|>final<|message|>b", "b", ""),
        (
            "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>commentary to=python "
            "<|constrain|>json<|message|>{}<|call|>",
            '<tool_call>\n{"name": "python", "arguments": {}}\n</tool_call>',
            "a",
        ),
        (
            "<|channel|>commentary to=container.exec <|constrain|>json<|message|>{}<|call|>",
            '<tool_call>\n{"name": "container.exec", "arguments": {}}\n</tool_call>',
            "",
        ),
        (
            "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>analysis to=python code<|message|>"
            f"{CODE}<|call|>",
            CODE,
            "a",
        ),
        (
            "<|channel|>commentary<|message|>I look.<|end|><|start|>assistant<|channel|>final<|message|>b",
            "b",
            "I look.",
        ),
        ("<|channel|>commentary<|message|>I look.<|end|>", "I look.", ""),
        (f"assistantcommentary to=python code{CODE}", CODE, ""),
        ("analysisI count.assistantcommentary to=python codetotal = 1", CALL, "I count."),
        ("analysisI count.assistantcommentary to=python codetotal = 1assistantfinalIt is 3.", CALL, "I count."),
        ("assistantcommentary to=python codetotal = 1\npython to=assistantcommentary3assistantfinal3", CALL, ""),
        *((CALLS + guess, CALL, "") for guess in GUESSES),
        (
            "<|channel|>final<|message|>I count.<|end|><|start|>assistant" + CALLS,
            f"I count.\n\n{CALL}",
            "",
        ),
        ("<|channel|>final<|message|>It is 5.<|end|><|start|>user<|message|>And now?<|end|>", "It is 5.", ""),
        ("<analysis>\na\n</analysis>\nb", "b", "a"),
        ("<think>a</think><response>\nb", "b", "a"),
        ("<think>a</think><answer>\nx < 3 </answer>", "x < 3", "a"),
        ("Thinking...\na\n...done thinking.\n\nb", "b", "a"),
        ("Sure. <think>\nPlot 4 or", "", "Sure.\n\nPlot 4 or"),
        (f"{CODE}\n<think>\nPlot 4 or", CODE, "Plot 4 or"),
        ("analysisI count.assistantfinalEleven.", "Eleven.", "I count."),
        (f"analysisI count.assistantcommentary to=python code{CODE}", CODE, "I count."),
        ("analysisWe need to count. It may be 5", "", "We need to count. It may be 5"),
        (f"<|channel>thought\n{DRAFT}\n<channel|>{CODE}", CODE, DRAFT),
        (f"The user asks:\n{DRAFT}\n<channel|>{CODE}", CODE, f"The user asks:\n{DRAFT}"),
        (f"<unused94>thought\n{DRAFT}\n<unused95>{CODE}", CODE, DRAFT),
        (
            f"<|START_THINKING|>{DRAFT}<|END_THINKING|><|START_RESPONSE|>{CODE}<|END_RESPONSE|>",
            CODE,
            DRAFT,
        ),
        (f"{DRAFT}<|END_THINKING|><|START_RESPONSE|>{CODE}<|END_RESPONSE|>", CODE, DRAFT),
        (
            f"<|begin_of_thought|>\n{DRAFT}\n<|end_of_thought|>\n<|begin_of_solution|>\n{CODE}\n<|end_of_solution|>",
            CODE,
            DRAFT,
        ),
        *((f"<{tag}>\n{DRAFT}\n</{tag}>\n{CODE}", CODE, DRAFT) for tag in ("THINKING", "Think", "M2_7think")),
        *((f"<{tag}>\n{DRAFT}\n</{tag}>\n{CODE}", CODE, DRAFT) for tag in ("mm:think", "longcat_think", "|think|")),
        *((f"<{tag}>\n{DRAFT}\n</{tag}>\n{CODE}", CODE, DRAFT) for tag in ("deepseek_thought", "reflection")),
        *((f"<{tag}>\n{DRAFT}\n</{tag}>\n{CODE}", CODE, DRAFT) for tag in ("REASONING_SCRATCHPAD", "scratchpad")),
        (f"<M2_7reasoning>\n{DRAFT}\n</thinking>\n{CODE}", CODE, DRAFT),
        (f"<think>\n{DRAFT}\n</thinking>\n{CODE}", CODE, DRAFT),
        (
            f"<thinking>\n<reflection>no</reflection>{DRAFT}\n</thinking>{CODE}",
            CODE,
            f"<reflection>no</reflection>{DRAFT}",
        ),
        (f'<thinking seconds="3">\n{DRAFT}\n</thinking>\n{CODE}', CODE, DRAFT),
        (f'<details type="reasoning" done="true">\n{DRAFT}\n</details>\n{CODE}', CODE, DRAFT),
        (f"[THINK]{DRAFT}[/THINK]{CODE}</s>", CODE, DRAFT),
        (f"Sure. <think>{DRAFT}</think>\n{CODE}", CODE, f"Sure. <think>{DRAFT}"),
        (f'<think>\nI could say "5"</think>\n{CODE}', CODE, 'I could say "5"'),
        ("<think>\nhm\n</think>\n\n<answer>\nPlot 5.\n</answer>", "Plot 5.", "hm"),
        *((f"{tag}\n{DRAFT}\n{end}\n{CODE}", CODE, DRAFT) for tag, end in SPELT),
        *((f"```{mark}\nHm.\n```\n{CODE}", CODE, "Hm.") for mark in ("think", "Thinking", " thoughts", "reasoning")),
        (f"I think.\n```think\n{DRAFT}\nNo.\n```\n{CODE}", f"I think.\n\n{CODE}", f"{DRAFT}\nNo."),
        (f"~~~~think\n{DRAFT}\nNo.\n~~~~\n{CODE}", CODE, f"{DRAFT}\nNo."),
        (f"```think\n```repl\nx = (\n```\nNo.\n{CODE}", CODE, "```repl\nx = (\n```\nNo."),
        ("```think\nIt may be 3", "", "It may be 3"),
        ("Here is my thought process:\nIt may be 3.\nHere is my response:\nIt is 4.", "It is 4.", "It may be 3."),
        (f"<|im_start|>assistant\n<think>\n{DRAFT}\n</think>\n{CODE}<|im_end|>", CODE, DRAFT),
        ("It may be 3.</think>It is 4.", "It is 4.", "It may be 3."),
        ("It may be 3. </think> It is 4.", "It is 4.", "It may be 3."),
        ('"It may be 3." </think> It is 4.', "It is 4.", '"It may be 3."'),
        ("It may be </think>It is 4.", "It is 4.", "It may be"),
        ("so it is 4 </think> <answer> 4 </answer>", "4", "so it is 4"),
        ('so it is 4 </think> {"n": 4}', '{"n": 4}', "so it is 4"),
        ("so it is 4 </think> FINAL(4)", "FINAL(4)", "so it is 4"),
        (f"so it is 4 </think> {CODE}", CODE, "so it is 4"),
        ("Sure. <think>It may be 3.</think> It is 4.", "It is 4.", "Sure. <think>It may be 3."),
        ("Okay, <think>it may be 3.</think>\n\nIt is 4.", "It is 4.", "Okay, <think>it may be 3."),
        (
            "They ask for the </think> tag.\nIt lacks in 3.\n</think>\n\nThe tag </think> is missing in 3.",
            "The tag </think> is missing in 3.",
            "They ask for the </think> tag.\nIt lacks in 3.",
        ),
        ("<think>hm</think>The tag </think> is missing in 3.", "The tag </think> is missing in 3.", "hm"),
        ("analysis: It may be 3.assistantfinalIt is 4.", "It is 4.", ": It may be 3."),
        *((f"analysis{words}", "", words) for words in ("Okay, it may be 3", "Okay. It may be 3", "I'd say 3")),
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
        *(
            "analysis.",
            "analysis: positive",
            "analysis.csv",
            "analysis, then code",
            "analysis/a.md",
            "analysisReport.csv",
        ),
        "The closing tag </think> is missing in 3 of the logs.",
        "Three logs lack the closing </think> tag.",
        "FINAL(3 logs lack the </think> tag.)",
        "Models write <think> and </think> around thoughts.",
        "Models write <think>...</think> around thoughts.",
        "Models write <think>thoughts</think> before they answer.",
        "Logs without <think></think> pairs: a.txt",
        "Logs without </think>: a.txt, b.txt",
        "It is the tag **</think>** that 3 logs lack, and (</think>) it is called.",
        "- <think>: 5 times\n- </think>: 3 times",
        "1. <think>: 5 times\n2. </think>: 3 times",
        "| tag | count |\n|---|---|\n| <think> | 5 |\n| </think> | 3 |",
        '{"lacks": "the </think> tag", "has": "</think> twice"}',
        "```repl\nprompt = 'Take out all up to </think> in it'\nx = llm_query(prompt)\n```",
        "<answer>Plot 5.</answer>",
        "<details>\nMore.\n</details>\nPlot 5.",
        "<b>[think]</b> is a tag, and so is <rethinking of it>",
        "I think so.",
        "```repl\nprompt = '''\n```think\nkept\n'''\n```",
        "```json\n{}\n```\nThink of 3 < 4.",
        "",
    ],
)
def test_what_only_speaks_of_thoughts_stays_whole(text: str) -> None:
    assert split_thoughts(text) == (text, "")


@pytest.mark.parametrize("token", ["<|im_end|>", "</s>", "<|eot_id|>\n", " <end_of_turn> "])
def test_stop_tokens_at_the_end_go(token: str) -> None:
    assert split_thoughts(CODE + token) == (CODE, "")
    assert split_thoughts(f"a{token}b") == (f"a{token}b", "")


@pytest.mark.parametrize(
    "beyond",
    [
        "<|im_end|>\n<|im_start|>user\nAnd the next?<|im_end|>\n<|im_start|>assistant\nIt is 6.",
        "<end_of_turn>\n<start_of_turn>user\nAnd now?",
        "<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nFINAL(6)",
        "</s>[INST] And now? [/INST] It is 6.",
        f"<|end|><|user|>{DRAFT}",
    ],
)
def test_turns_that_were_made_up_beyond_the_end_of_its_own_go(beyond: str) -> None:
    assert split_thoughts(f"It is 5.{beyond}") == ("It is 5.", "")
    assert split_thoughts(f"<think>a</think>{CODE}\n{beyond}") == (CODE, "a")
    shown = f"```text\n{beyond}\n```"
    assert split_thoughts(shown) == (shown, "")


WORDS = st.text("ab \n.", max_size=20)


@given(thoughts=WORDS, said=WORDS)
def test_what_stands_behind_the_thoughts_is_what_is_said(thoughts: str, said: str) -> None:
    for text in (
        f"<think>{thoughts}</think>{said}",
        f"{thoughts}\n</think>{said}",
        f"{thoughts.rstrip()}</think>{said}",
    ):
        if thoughts.strip():
            assert split_thoughts(text) == (said.strip(), thoughts.strip())


@pytest.mark.parametrize("guess", GUESSES)
def test_what_stands_below_a_call_that_is_still_to_run_is_no_answer(guess: str) -> None:
    done = "```repl\nFINAL(total)\n```"
    result = RLMEngine(ScriptedModel([CALLS + guess, done])).run("?", "a line\n" * 20_000)
    assert result.answer == "1"


@pytest.mark.parametrize("said", ["Three logs lack the </think> tag.", "analysis: none"])
def test_a_tag_or_a_word_that_is_only_named_costs_nothing_of_an_answer(said: str) -> None:
    asks = "```repl\nFINAL(llm_query('?'))\n```"
    assert RLMEngine(ScriptedModel([asks]), sub_llm=ScriptedModel([said])).run("?", "a line").answer == said
    assert RLMEngine(ScriptedModel([said])).run("?", "a line").answer == said


def test_thoughts_of_both_models_are_kept_in_the_trace_and_nothing_of_them_is_run_answered_or_counted() -> None:
    def sub(messages: Any) -> str:
        pear, brick = re.findall(r"^\[\d-\w+\]", messages[-1].content, flags=re.MULTILINE)
        return f"<think>\n{pear} no\n{brick} no\nBut a pear is a fruit.\n</think>\n{pear} yes\n{brick} no"

    asks = "```repl\nFINAL(' '.join(llm_map('A fruit?', ['pear', 'brick'])))\n```"
    root = ScriptedModel([f"<think>\n{DRAFT}\n</think>\n{asks}"])
    result = RLMEngine(root, sub_llm=ScriptedModel(always=sub)).run("?", "a line\n" * 20_000)
    assert result.answer == "yes no"
    [iteration] = result.trace.iterations
    assert (iteration.call.thoughts, iteration.reply) == (DRAFT, asks)
    assert iteration.execution is not None
    [call] = iteration.execution.sub_calls
    assert call.thoughts.endswith("But a pear is a fruit.")
    assert re.sub(r"-\w+", "", call.reply or "") == "[1] yes\n[2] no"


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
