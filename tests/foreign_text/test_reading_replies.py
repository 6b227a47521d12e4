"""Replies of models are read in linear time, whatever stands in them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from rlm_integrations import Message
from rlm_integrations.compare.agreement import words_of
from rlm_integrations.core.calls.long_thoughts import mark_of_thoughts
from rlm_integrations.core.calls.system_role import refuses_system_messages
from rlm_integrations.core.calls.thoughts import split_thoughts
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.errors import RLMError
from rlm_integrations.core.host.map_replies import marked_replies, marks_in, stray_end
from rlm_integrations.core.host.map_values import MapValues
from rlm_integrations.core.loop import later_lines
from rlm_integrations.core.loop.answer_type import AnswerType
from rlm_integrations.core.loop.doubts import unfilled
from rlm_integrations.core.loop.final_argument import final_for
from rlm_integrations.core.loop.near_json import json_among, mended_json
from rlm_integrations.core.loop.quotations import Quotations
from rlm_integrations.core.loop.talk_of_final import is_denied, is_planned, is_unsure, takes_back
from rlm_integrations.core.loop.unread_code import meant_to_run
from rlm_integrations.core.run.direct_evidence import proven
from rlm_integrations.core.trace.data_flow import DataFlow
from rlm_integrations.openai.reply import completion_of
from rlm_integrations.openai.streaming import Folded

from .work import Reader, assert_in_proportion, every_shape


def refuse_page(page: str) -> None:
    with pytest.raises(RLMError):
        completion_of(page, "http://localhost")


def fold(text: str) -> None:
    """The arguments of one call, as a server streams them."""
    folded = Folded()
    for start in range(0, len(text), 10):
        called = {"index": 0, "function": {"arguments": text[start : start + 10]}}
        folded.add(SimpleNamespace(choices=[{"index": 0, "delta": {"tool_calls": [called]}}]))
    folded.completion()


CONTRACT_7 = Corpus.of({"contract 7": "The city agrees."})
READERS: dict[str, Reader] = {
    "Quotations.hold": (
        lambda text: Quotations([Message("user", text)]).hold(["```repl", "x", "```"]),
        {
            "blank lines": lambda n: "<output a>\n```" + "\n" * n,
            "tags that nothing closes": lambda n: "```\n" + "<output a>\n" * (n // 11),
            "tags that others close": lambda n: "```\n" + "<head a>\n</tail a>\n" * (n // 18),
            "an error of many lines": lambda n: "Step 1\nError ```" + "\n    x" * (n // 6),
            "backslashes": lambda n: "<output a>\n```" + "\\n" * (n // 2),
            "fences": lambda n: "<output a>\n" + "```repl\n" * (n // 8),
            "fences of no end": lambda n: "<output a>\n" + "```~~~" * (n // 6),
            "words passed on": lambda n: "Step 1\n```" + "x\n" * (n // 2),
            "words above a question": lambda n: "```" + "x\n" * (n // 2) + "\nQuestion:\n",
        },
    ),
    "Quotations.hold_commented": (
        lambda text: Quotations([Message("user", f"<output a>\n{text}")]).hold_commented(text + "x"),
        {
            "comments": lambda n: "#\n" * (n // 2),
            "margins": lambda n: "> | " * (n // 4),
            "margins of lines": lambda n: "> \n" * (n // 3),
            "lines left out": lambda n: "x\n...\n" * (n // 6),
            "backslashes": lambda n: "\\n" * (n // 2),
        },
    ),
    "marked_replies": (
        lambda text: marked_replies(text, {"1-abcd": 0, "2-abcd": 1}),
        {
            "marks": lambda n: "[1-abcd] a\n[2-abcd] b\n" * (n // 22),
            "marks of others": lambda n: "[3-abcd] a\n" * (n // 11),
            "what stands before a mark": lambda n: "[" * n,
            "halves of marks": lambda n: "\n- [1 -" * (n // 7),
            "a row of marks": lambda n: "|" + "1-abcd|" * (n // 7),
            "tags of marks": lambda n: "<a 1-abcd>" * (n // 10),
            "objects of marks": lambda n: '{"1-abcd": "a"}' * (n // 15),
            "headings": lambda n: "a:\n[1-abcd]\n" * (n // 12),
        },
    ),
    "stray_end": (
        lambda text: stray_end({0: "a", 1: text}),
        {
            "lines": lambda n: "\n" * n,
            "rules": lambda n: "\n---" * (n // 4),
            "half sentences": lambda n: "\n- if you" * (n // 9),
            "fences": lambda n: "```\n" * (n // 4),
        },
    ),
    "marks_in": (marks_in, {"marks": lambda n: "1-abcd" * (n // 6), "digits": lambda n: "1" * n}),
    "MapValues.read": (
        lambda text: MapValues({"type": "array", "items": {"enum": ["a", "b"]}}).read(text),
        {
            "choices": lambda n: "[" + "'A'," * (n // 4) + "]",
            "brackets": lambda n: "[" * n,
            "braces": lambda n: "{" * n,
            "keys": lambda n: '{"' * (n // 2),
            "lines": lambda n: "\n" * n,
            "near objects": lambda n: "{'a': 1,} " * (n // 10),
            "comments": lambda n: "[1, # a\n" * (n // 8),
        },
    ),
    "MapValues.read of a number": (
        lambda text: MapValues({"type": "integer"}).read(f"5\n{text}"),
        {
            "numbers": lambda n: "5\n" * (n // 2),
            "other numbers": lambda n: "".join(f"{k}.5\n" for k in range(n // 8)),
            "labels": lambda n: "answer: " * (n // 8),
            "half labels": lambda n: "answer" + " " * n,
            "bullets": lambda n: "- " * (n // 2),
            "conclusions": lambda n: "so " * (n // 3),
        },
    ),
    "MapValues.read of a text": (
        lambda text: MapValues({"type": "string"}).read(text),
        {"fences": lambda n: "```\n" * (n // 4), "words": lambda n: "answer: " * (n // 8)},
    ),
    "json_among": (
        json_among,
        {
            "brackets": lambda n: "[" * n,
            "objects": lambda n: "{} " * (n // 3),
            "near objects": lambda n: "{'a': [1],} " * (n // 12),
            "words in brackets": lambda n: "[a] " * (n // 4),
            "nests of words": lambda n: "[a" * (n // 4) + "]" * (n // 4),
            "citations": lambda n: "a [1] " * (n // 6),
            "what goes on": lambda n: "[1]" + " " * n,
            "comments": lambda n: "[1, // more\n" * (n // 12),
            "fences": lambda n: "```\n1\n" * (n // 6),
        },
    ),
    "AnswerType.misfit": (
        lambda text: AnswerType(list[int]).misfit(text, False),
        {
            "braces": lambda n: "{" * n,
            "objects": lambda n: "{} " * (n // 3),
            "thousands": lambda n: "[" + '"12.000",' * (n // 9) + "1]",
        },
    ),
    "DataFlow": (
        lambda text: DataFlow().follow(text),
        {
            "targets": lambda n: "".join(f"x{k}," for k in range(n // 8)) + "=0",
            "statements": lambda n: "".join(f"x{k}=context\n" for k in range(n // 14)),
        },
    ),
    "proven": (
        lambda text: proven(text, CONTRACT_7),
        {
            "brackets": lambda n: "<evidence>\n[" + "]" * n,
            "brackets behind a name": lambda n: "<evidence>\n[" + " | " * (n // 6) + "]" * (n // 2),
        },
    ),
    "words_of": (words_of, {"figures": lambda n: "1,0" * (n // 3), "articles": lambda n: "a " * (n // 2)}),
    "mark_of_thoughts": (
        mark_of_thoughts,
        {
            "brackets": lambda n: "<" * n,
            "names before": lambda n: "<a:" * (n // 3),
            "words": lambda n: "[thinker] " * (n // 10),
        },
    ),
    "split_thoughts": (
        split_thoughts,
        {
            "tags that open": lambda n: "<think>\n" * (n // 8),
            "tags that close": lambda n: "a</think>" * (n // 9),
            "tags amid a line of words": lambda n: "a <think> and </think> b " * (n // 25),
            "tags that are opened amid words": lambda n: "a <think> " * (n // 20) + "</think> b " * (n // 22),
            "words before a tag": lambda n: "a" * (n // 2) + "*" * (n // 2) + " </think> b",
            "what tools say": lambda n: (
                "analysisI " + "a" * (n // 2) + "assistantcommentary to=a" + "a.to=" * (n // 10)
            ),
            "channels": lambda n: "<|channel|>analysis<|message|>" * (n // 30),
            "fences": lambda n: "```think\n" * (n // 9),
            "fences that close": lambda n: "```think\n```\n" * (n // 13),
            "stop tokens": lambda n: "</s>" * (n // 4),
        },
    ),
    "final_for": (
        lambda text: final_for(text, ("n",)),
        {
            "finals": lambda n: ")FINAL(" * (n // 7),
            "braces": lambda n: "{n}" * (n // 3),
            "dollars": lambda n: "$n" * (n // 2),
            "angles": lambda n: "<n>" * (n // 3),
            "values": lambda n: "'a'," * (n // 4),
            "words": lambda n: "<a" + " a" * (n // 2),
        },
    ),
    "meant_to_run": (
        lambda text: meant_to_run(
            text, "How many?", Quotations([Message("user", f"<output 6f>\n{text}\n</output 6f>")])
        ),
        {
            "names": lambda n: "FINAL" * (n // 5),
            "calls in a line": lambda n: "llm_query(" * (n // 10),
            "calls in lines": lambda n: "print(context\n" * (n // 14),
            "items": lambda n: "answer['" * (n // 8),
            "intents": lambda n: "I will search. " * (n // 15),
            "commands": lambda n: "```bash\n" * (n // 8),
        },
    ),
    "talk of an answer": (
        lambda text: (is_denied(text, text), is_unsure(text, text), is_planned("1. ", text), takes_back(text, text)),
        {
            "denials": lambda n: "I do not " * (n // 9),
            "conditions": lambda n: "if I, " * (n // 6),
            "items of a plan": lambda n: "1. a\n" * (n // 5),
            "sentences": lambda n: "Wait. Let me. " * (n // 14),
            "spaces": lambda n: " " * n,
            "formats": lambda n: "the final answer " * (n // 17),
        },
    ),
    "lines below a value": (
        later_lines.takes_back,
        {
            "lines": lambda n: "1" + "\n" * n + "x",
            "quoted lines": lambda n: "1" + "\n> " * (n // 3) + "x",
            "rules": lambda n: "1" + "\n---" * (n // 4) + "x",
            "spaces": lambda n: "1\n" + " " * n + "x",
        },
    ),
    "mended_json": (
        mended_json,
        {
            "quotes": lambda n: "[" + '"' * n,
            "escaped quotes": lambda n: "[" + '\\"' * (n // 2),
            "escaped apostrophes": lambda n: "[" + "\\'" * (n // 2),
            "comments that never end": lambda n: "[" + "/*" * (n // 2),
            "lines": lambda n: "[" + "\n" * n,
        },
    ),
    "unfilled": (
        lambda text: unfilled(text, ("n",), text),
        {"fields": lambda n: "{n!}" * (n // 4), "braces": lambda n: "{" * n, "words": lambda n: "n " * (n // 2)},
    ),
    "Folded": (fold, {"calls of tools": lambda n: "x" * n}),
    "completion_of": (refuse_page, {"a page of spaces": lambda n: "x \n" * (n // 3)}),
    "refuses_system_messages": (
        lambda text: refuses_system_messages(ValueError(text)),
        {"words of it": lambda n: "system role " * (n // 12), "half of it": lambda n: "system" * (n // 6)},
    ),
}


@pytest.mark.parametrize(("name", "shape"), every_shape(READERS))
def test_reading_takes_work_in_proportion_to_the_text(name: str, shape: str) -> None:
    assert_in_proportion(READERS[name], shape)
