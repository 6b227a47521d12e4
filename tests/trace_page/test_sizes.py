"""The page of a trace with more calls than a function takes arguments, and texts longer than a page can lay out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rlm_integrations import RLMTrace
from rlm_integrations.core.trace.records import SubCall

OpenTab = Callable[..., Any]
MANY = 130_000
"""Chromium takes some 120,000."""


def test_more_calls_than_a_function_takes_arguments(open_tab: OpenTab, small_trace: RLMTrace) -> None:
    trace = small_trace.model_copy(deep=True)
    calls = range(1, MANY + 1)
    trace.executions[0].sub_calls = [SubCall(number=each, prompt=f"p{each}", reply="r", batch=1) for each in calls]
    tab = open_tab(trace, "#i1.s129999")
    assert tab.complaints == []
    assert f"{MANY:,}" in tab.evaluate("document.querySelector('main').textContent")
    assert "p129999" in tab.evaluate("document.getElementById('i1.s129999').textContent")


def test_a_very_long_text_is_shown_in_parts_and_searched(open_tab: OpenTab, small_trace: RLMTrace) -> None:
    trace = small_trace.model_copy(deep=True)
    trace.executions[0].output = "e x\0" * 30_000 + "needle" + "e x y\n" * 220_000 + "thimble"
    tab = open_tab(trace, "#i1")
    more, size = "document.querySelector('#i1 .ran .more')", "1,440,013 characters"
    shown = "document.querySelector('#i1 .ran pre').textContent.length"
    assert tab.evaluate(f"{more}.textContent") == f"Show 1,000,000 more of {size}"
    for words, least in (("e", 20_000), ("needle", 120_006), ("thimble", 120_006)):
        tab.evaluate("document.querySelector('input').value = ''; document.querySelector('input').focus()")
        tab.type(words)
        tab.press("Enter")
        tab.evaluate("document.querySelector('.results a').click()")
        tab.until(f"{shown} >= {least}")
        assert tab.evaluate("CSS.highlights.get('sought')?.size ?? 0") <= 1_000
    tab.evaluate(f"{more}.click()")
    assert tab.evaluate(f"{more}.textContent") == f"Show all {size}"
    tab.evaluate(f"{more}.click()")
    assert tab.evaluate(f"{more} === null")
    assert tab.evaluate("document.querySelector('#i1 .ran pre').textContent.endsWith('thimble')")
    assert tab.complaints == []
