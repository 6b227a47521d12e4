"""The page of a trace in a real browser: what a reader of a run sees, and does with it."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

import pytest

from rlm_integrations import RLMTrace
from rlm_integrations.core.trace.call_records import SentImage
from rlm_integrations.core.trace.summary import summarise
from rlm_integrations.trace_page.page import page_of

from .page_text import OpenTab, text_of


def figures(tab: Any) -> dict[str, str]:
    return dict(
        tab.evaluate(
            "[...document.querySelectorAll('.figure')].map(each => [each.querySelector('dt').textContent, "
            "[...each.querySelectorAll('dd')].map(dd => dd.textContent).join('; ')])"
        )
    )


def test_it_opens_without_a_complaint_or_a_request_and_says_what_the_run_came_to(
    open_tab: OpenTab, small_trace: RLMTrace
) -> None:
    tab = open_tab(small_trace)
    assert tab.complaints == []
    assert [url.partition("://")[0] for url in tab.requested] == ["file"]
    assert tab.evaluate("document.title") == "Which notes say yes? – RLM trace"
    assert text_of(tab, "h1") == "Which notes say yes?"
    assert "None says yes." in text_of(tab, "#overview .box")
    assert text_of(tab, "#overview .badge") == "answered"
    usage = small_trace.usage
    shown = figures(tab)
    assert shown["Iterations"].startswith("3;")
    assert shown["Sub-calls"] == f"{small_trace.sub_call_count}; 1 failed"
    assert shown["Tokens"].startswith(f"about {usage.total_tokens:,};")  # no server counted them
    assert shown["Tools"] == "1"
    rows = tab.evaluate("[...document.querySelectorAll('tbody th')].map(each => each.textContent)")
    assert rows[:2] == ["large", "small"]


def test_its_sums_are_those_of_the_trace_with_children_and_in_a_summary_too(
    open_tab: OpenTab, deep_trace: RLMTrace
) -> None:
    tabs = [open_tab(trace) for trace in (deep_trace, summarise(deep_trace))]
    for tab in tabs:
        shown = figures(tab)
        assert shown["Sub-calls"].startswith(
            f"{deep_trace.sub_call_count:,}; {deep_trace.failed_sub_call_count} failed;"
        )
        assert f"{deep_trace.usage.total_tokens:,};" in shown["Tokens"]
        assert shown["Iterations"].startswith("2;")
    assert "A summary" in text_of(tabs[1], "#overview")


def test_a_trace_of_thousands_of_calls_keeps_few_of_them_in_the_document(
    open_tab: OpenTab, deep_trace: RLMTrace
) -> None:
    tab = open_tab(deep_trace)
    count = "document.querySelectorAll('*').length"
    assert tab.evaluate(count) < 1500
    deepest = "i1.s10.i1.s2.i1.s2.i1.s50"
    tab.evaluate(f"location.hash = {deepest!r}")
    tab.until(f"document.getElementById({deepest!r})?.open")
    tab.evaluate("document.querySelector('.grid').scrollTop = 1e6")
    tab.until("document.querySelector('.row:last-child b').textContent === 'Iteration 2'")
    assert tab.evaluate(count) < 2500
    assert "iteration" not in tab.evaluate(
        "document.querySelector('[data-filter=repeated]').click(); "
        "[...document.querySelectorAll('.row:has(.again)')].map(each => each.className).join()"
    )  # children that run the same code over other documents repeat nothing
    tab.click(".filters [data-filter=failed]")
    tab.until("document.querySelector('.grid').ariaRowCount > 200")
    assert tab.evaluate(count) < 2500
    assert tab.complaints == []


def test_what_failed_and_what_was_asked_twice_is_marked(open_tab: OpenTab, small_trace: RLMTrace) -> None:
    tab = open_tab(small_trace)
    buttons = tab.evaluate("[...document.querySelectorAll('.filters button')].map(each => each.textContent)")
    assert buttons == ["All", "2 failed", "1 repeated"]
    rows = "[...document.querySelectorAll('.row')].map(each => each.id)"
    tab.click(".filters [data-filter=failed]")
    assert tab.evaluate(rows) == ["row-i1", "row-i1.b1", "row-i1.s4", "row-i2"]
    tab.click(".filters [data-filter=repeated]")
    assert tab.evaluate(rows) == ["row-i2", "row-i2.s9"]
    tab.click("#row-i2\\.s9")
    tab.until("document.getElementById('i2.s9')?.open")
    assert "In the same words as i1.s1." in text_of(tab, "#i2\\.s9")
    assert "KeyError: 'plot'" in text_of(tab, "#i2 .error")


def test_a_quote_is_lit_where_it_stood(open_tab: OpenTab, small_trace: RLMTrace) -> None:
    asked = small_trace.model_copy(deep=True)
    asked.executions[0].sub_calls[0].prompt = "Read this. Note 1. The answer is no. Nothing else of note."
    tab = open_tab(asked)
    tab.click("#overview summary")
    tab.until("document.querySelector('.citation')")
    assert text_of(tab, ".citation .document") == "note-1"
    assert text_of(tab, ".citation mark") == "The answer is no."
    assert text_of(tab, ".citation blockquote") == "Read this. Note 1. The answer is no. Nothing else of note."


def test_a_quote_is_lit_in_its_document_where_that_is_given(open_tab: OpenTab, small_trace: RLMTrace) -> None:
    notes = {f"note-{n}": f"Note {n}. The answer is no. " + "Nothing else of note. " * 200 for n in range(8)}
    dumped = small_trace.model_dump(mode="json")
    tab = open_tab(page_of(dumped, notes))
    tab.click("#overview summary")
    tab.until("document.querySelector('.citation')")
    shown = text_of(tab, ".citation blockquote")
    assert shown in notes["note-1"]
    assert shown.startswith("Note 1. The answer is no. Nothing else")
    assert len(shown) > 300
    assert text_of(tab, ".citation .where") == f"characters 8 to 25 of {len(notes['note-1']):,}, cited in i3"
    assert page_of(dumped, {"note-1": "Another text by now."}) == page_of(dumped)


@pytest.mark.parametrize("width", [360, 800, 1440])
def test_nothing_is_wider_than_the_window(
    open_tab: OpenTab, deep_trace: RLMTrace, small_trace: RLMTrace, width: int
) -> None:
    for trace, link in ((deep_trace, "#i1.s10.i1.s2.i1.s2.i1.s50"), (small_trace, "#i2.s9")):
        tab = open_tab(trace, link, width=width)
        assert tab.evaluate("document.scrollingElement.scrollWidth") <= width
        wide = tab.evaluate(
            "[...document.querySelectorAll('body *')].filter(each => each.checkVisibility() && "
            "!each.closest('.scroll, pre, .row, .axis, summary, .skip') && "
            "each.getBoundingClientRect().right > innerWidth + 1).map(each => each.className)"
        )
        assert wide == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_what_is_behind_it(open_tab: OpenTab, small_trace: RLMTrace, scheme: str) -> None:
    """By the ratio of 4.5 that WCAG asks for."""
    tab = open_tab(small_trace, "#i2", scheme=scheme)
    tab.unfold_everything()
    pairs = tab.evaluate("""[...document.querySelectorAll('body *')]
        .filter(each => each.checkVisibility() && !each.matches(':disabled, .anchor') &&
            [...each.childNodes].some(node => node.nodeType === 3 && node.data.trim()))
        .map(each => {
            let behind = each;
            while (getComputedStyle(behind).backgroundColor === 'rgba(0, 0, 0, 0)') behind = behind.parentElement;
            return [getComputedStyle(each).color, getComputedStyle(behind).backgroundColor, each.className];
        })""")
    assert len(pairs) > 100
    faint = {tuple(pair) for pair in pairs if contrast(pair[0], pair[1]) < 4.5}
    assert faint == set()


def contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_fields_that_it_does_not_know_are_shown_too(open_tab: OpenTab, small_trace: RLMTrace) -> None:
    trace = json.loads(small_trace.model_dump_json())
    trace["planet"] = "Mars"
    trace["iterations"][0]["mood"] = {"of": "the model", "words": "long " * 200}
    trace["iterations"][0]["call"]["colour"] = "green"
    trace["iterations"][0]["execution"]["checks"] = ["first check", "second check"]
    first = trace["iterations"][0]["execution"]["sub_calls"][0]  # the first that ended: any of them
    first["sounds"] = [{"kind": "a bell"}]
    tab = open_tab(page_of(trace), f"#i1.s{first['number']}")
    shown = text_of(tab, "#i1")
    for words in ("mood", "the model", "long long", "colour", "green", "checks", "second check", "sounds", "a bell"):
        assert words in shown
    tab.click("#about summary")
    tab.until("document.querySelector('#about .facts')?.textContent.includes('Mars')")


def test_a_run_that_failed_or_goes_on_says_so(open_tab: OpenTab, small_trace: RLMTrace) -> None:
    failed = small_trace.model_copy(update={"error": "RootModelError: it hung", "stop_reason": None, "answer": ""})
    tab = open_tab(failed)
    assert text_of(tab, "#overview .badge") == "failed"
    assert text_of(tab, ".notice.bad") == "RootModelError: it hung"
    going_on = RLMTrace(question="What?", context="", limits=small_trace.limits)
    tab = open_tab(going_on)
    assert text_of(tab, "#overview .badge") == "not finished"
    assert "The root LM was not asked." in text_of(tab, "#steps")
    limited = small_trace.model_copy(update={"stop_reason": "max_iterations"})
    assert text_of(open_tab(limited), "#overview .badge") == "limit met: max_iterations"
    assert tab.complaints == []


def test_all_that_can_be_pressed_has_a_name_and_headings_come_in_order(
    open_tab: OpenTab, small_trace: RLMTrace
) -> None:
    tab = open_tab(small_trace, "#i2")
    tree = tab.send("Accessibility.getFullAXTree")["nodes"]
    roles = {"button", "link", "searchbox", "treegrid", "rowheader", "article", "region", "navigation", "main"}
    nameless = [
        node["role"]["value"]
        for node in tree
        if not node.get("ignored")
        and node.get("role", {}).get("value") in roles - {"main"}
        and not node.get("name", {}).get("value")
    ]
    assert nameless == []
    assert {"main", "treegrid", "navigation", "banner", "contentinfo"} <= {
        node["role"]["value"] for node in tree if "role" in node
    }
    levels = tab.evaluate(
        "[...document.querySelectorAll('h1,h2,h3,h4,h5')].filter(e => e.checkVisibility()).map(e => +e.tagName[1])"
    )
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_summaries_of_older_steps_have_their_place(open_tab: OpenTab, folded_trace: RLMTrace) -> None:
    folding = next(each for each in folded_trace.iterations if each.folds)
    tab = open_tab(folded_trace, f"#i{folding.number}")
    shown = text_of(tab, f"#i{folding.number}")
    assert f"Summary of iterations up to {folding.folds[0].up_to}, in their place" in shown
    assert f"{folded_trace.usage.total_tokens:,};" in figures(tab)["Tokens"]
    calls = folded_trace.iteration_count + folded_trace.fold_count
    assert tab.evaluate("document.querySelector('tbody td').textContent") == str(calls)
    tab = open_tab(summarise(folded_trace))
    assert f"{folded_trace.usage.total_tokens:,};" in figures(tab)["Tokens"]


def test_what_came_from_a_journal_is_marked(open_tab: OpenTab, small_trace: RLMTrace) -> None:
    trace = json.loads(small_trace.model_dump_json())
    trace["iterations"][0]["call"]["replayed"] = True
    trace["iterations"][0]["execution"]["sub_calls"][0]["replayed"] = 1
    tab = open_tab(page_of(trace))
    assert "from the journal" in text_of(tab, "#row-i1")
    number = trace["iterations"][0]["execution"]["sub_calls"][0]["number"]
    assert "from the journal" in text_of(tab, f"#row-i1\\.s{number}")


def test_it_works_within_another_page_too(open_tab: OpenTab, small_trace: RLMTrace) -> None:
    """As in a notebook's IFrame or an editor's preview: a page without an origin of its own, and without an address."""
    page = page_of(small_trace.model_dump(mode="json"))
    quoted = page.replace("&", "&amp;").replace('"', "&quot;")
    frame = f'<iframe sandbox="allow-scripts" srcdoc="{quoted}" width="900" height="700"></iframe>'
    tab = open_tab(f'<!DOCTYPE html><body><section id="steps"><h2>Around it</h2></section>{frame}')
    inner = tab.frame()
    inner.until("document.querySelector('#steps h2') !== null")
    assert text_of(inner, "h1") == "Which notes say yes?"
    inner.press("n")
    assert inner.evaluate("document.querySelector('[aria-selected=true]').id") == "row-i1.s4"
    assert inner.complaints == []


def test_the_pictures_that_a_sub_lm_saw_are_named(open_tab: OpenTab, small_trace: RLMTrace) -> None:
    trace = small_trace.model_copy(deep=True)
    call = trace.executions[0].sub_calls[0]
    call.images = [
        SentImage(name="page-3.png", mime_type="image/png", bytes=12_345, document_id="report.pdf"),
        SentImage(name="<b>.jpg", mime_type="image/jpeg", bytes=1),
    ]
    shown = text_of(open_tab(trace, f"#i1.s{call.number}"), f"#i1\\.s{call.number} .facts")
    assert "page-3.png of report.pdf (image/png, 12,345 bytes)\n<b>.jpg (image/jpeg, 1 byte)" in shown
