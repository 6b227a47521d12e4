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
