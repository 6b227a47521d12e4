"""The page of a trace with more calls than a function takes arguments, and texts longer than a page can lay out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rlm_integrations import RLMTrace
from rlm_integrations.core.trace.records import SubCall
from rlm_integrations.trace_page.page import page_of

OpenTab = Callable[..., Any]
MANY = 40_000
"""The browser takes some 30,000, with the stack that it has here."""


def test_more_calls_than_a_function_takes_arguments(open_tab: OpenTab, small_trace: RLMTrace) -> None:
    dumped = small_trace.model_dump(mode="json")
    shown = SubCall(number=1, prompt="p", reply="r", batch=1).model_dump(mode="json", exclude_defaults=True)
    dumped["iterations"][0]["execution"]["sub_calls"] = [shown | {"number": each} for each in range(1, MANY + 1)]
    tab = open_tab(page_of(dumped), "#i1.s39999")
    assert tab.evaluate(f"try {{ Math.max(...Array({MANY}).keys()) }} catch (error) {{ error.name }}") == "RangeError"
    assert tab.complaints == []
    assert f"{MANY:,}" in tab.evaluate("document.querySelector('main').textContent")
    assert tab.evaluate("document.getElementById('i1.s39999') !== null")


def test_a_very_long_text_is_shown_in_parts_and_searched(open_tab: OpenTab, small_trace: RLMTrace) -> None:
    trace = small_trace.model_copy(deep=True)
    trace.executions[0].output = (
        "e x\0" * 3_000 + "e x\t" * 27_000 + "needle" + f"{'e x y ' * 20}\n" * 10_000 + "thimble"
    )
    tab = open_tab(trace, "#i1")
    more, size = "document.querySelector('#i1 .ran .more')", "1,330,013 characters"
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
