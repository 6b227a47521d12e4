"""Where a server drops harmony's special tokens, the words between them are no part of a reply."""

from __future__ import annotations

import pytest

from rlm_integrations.core.calls.thoughts import split_thoughts


@pytest.mark.parametrize(
    ("text", "said", "thoughts"),
    [
        ("assistantfinalPlot 5.", "Plot 5.", ""),
        ("assistantanalysisPlot 4 or 5?assistantfinalPlot 5.", "Plot 5.", "Plot 4 or 5?"),
        ("analysisPlot 4 or 5?assistantfinalPlot 5.", "Plot 5.", "Plot 4 or 5?"),
        ("assistantanalysis is a word of no language.", "assistantanalysis is a word of no language.", ""),
    ],
)
def test_what_is_left_of_harmony_is_no_part_of_a_reply(text: str, said: str, thoughts: str) -> None:
    assert split_thoughts(text) == (said, thoughts)


@pytest.mark.parametrize(
    "text",
    [
        'commentary to=functions.python json{"code": "print(1)"}',
        'analysisI count.assistantcommentary to=functions.python json{"code": "print(1)"}',
        "commentary to=python codeprint(1)",
    ],
)
def test_what_was_said_to_a_tool_stands_as_a_call_of_it(text: str) -> None:
    called = '<tool_call>\n{"name": "python", "arguments": {"code": "print(1)"}}\n</tool_call>'
    assert split_thoughts(text)[0] == called


def test_a_commentary_is_a_word_too() -> None:
    assert split_thoughts("commentary to the law: it holds") == ("commentary to the law: it holds", "")
