"""Links, keyboard and search lead through the page of a trace."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rlm_integrations import RLMTrace

from .conftest import Chromium, Tab
from .page_text import OpenTab, text_of


@pytest.mark.parametrize("link", ["i2", "i1.s4", "i2.t1", "i1.b1"])
def test_a_link_opens_what_it_names(open_tab: OpenTab, small_trace: RLMTrace, link: str) -> None:
    tab = open_tab(small_trace, f"#{link}")
    place = f"document.getElementById({link!r})"
    top, bottom = tab.evaluate(f"[{place}.getBoundingClientRect().top, {place}.getBoundingClientRect().bottom]")
    assert bottom > 0
    assert top < 900
    assert tab.evaluate(f"{place}.open ?? {place}.filled") is True
    selected = tab.evaluate("document.querySelector('[aria-selected=true]').id")
    assert selected == f"row-{link}"
    assert tab.evaluate("document.querySelector('.grid').getAttribute('aria-activedescendant')") == selected


def test_a_link_into_a_child_shows_its_steps_and_the_way_back(open_tab: OpenTab, deep_trace: RLMTrace) -> None:
    tab = open_tab(deep_trace, "#i1.s3.i1.s2.i1")
    assert text_of(tab, "#steps-title") == "Steps of child RLM i1.s3.i1.s2"
    assert text_of(tab, ".path") == "Root LM › i1.s3 child RLM › i1.s2 child RLM"
    tab.click(".path a")
    tab.until("document.querySelector('#steps-title').textContent === 'Steps'")
    assert tab.evaluate("location.hash") == "#i1"
    tab.evaluate("history.back()")
    tab.until("document.querySelector('#steps-title').textContent !== 'Steps'")


@pytest.mark.parametrize("link", ["#i99", "#%E0%A4%A", "#steps", "#i1.s1.i1.s1", "#<img src=x>"])
def test_a_link_that_names_nothing_of_the_run_leads_nowhere(
    open_tab: OpenTab, small_trace: RLMTrace, link: str
) -> None:
    tab = open_tab(small_trace, link)
    assert tab.complaints == []
    assert text_of(tab, "#steps-title") == "Steps"


def test_it_can_be_read_by_the_keyboard(open_tab: OpenTab, small_trace: RLMTrace) -> None:
    tab = open_tab(small_trace)
    where = "location.hash"
    walked = []
    for key in ("j", "j", "j", "k", "h", "n", "n", "n", "p"):
        tab.press(key)
        walked.append(tab.evaluate(where))
    assert walked == ["#i1", "#i1.b1", "#i1.s1", "#i1.b1", "#i1.b1", "#i1.s4", "#i2", "#i1.s4", "#i2"]
    tab.press("?")
    assert tab.evaluate("document.querySelector('#help').open")
    tab.press("j")
    assert tab.evaluate(where) == "#i2"  # a dialog keeps the keys
    tab.click("#help button")
    tab.evaluate("document.querySelector('.grid').focus()")
    tab.press("ArrowDown")
    assert tab.evaluate(where) != "#i2"
    tab.press("/")
    tab.press("j")
    assert tab.evaluate("document.querySelector('input').value") == "j"
    tab.press("Escape")
    assert tab.evaluate("document.activeElement === document.body")
    assert tab.complaints == []


def test_the_search_finds_every_text_and_leads_to_it(open_tab: OpenTab, small_trace: RLMTrace) -> None:
    tab = open_tab(small_trace)
    sought = {
        "the server SAID no": ["i1", "i1.s4"],
        "rain on monday": ["i2", "i2.t1"],
        "which is not there": [],
        "It is not.": [f"i1.s{n}" for n in (1, 2, 3, 5, 6, 7, 8)] + ["i2.s9"],
        "KeyError(": ["i2"],
    }
    for words, places in sought.items():
        tab.evaluate("document.querySelector('input').value = ''; document.querySelector('input').focus()")
        tab.type(words)
        tab.until("!document.querySelector('.panel').hidden")
        tab.until(f"document.querySelector('input').value === {words!r}")
        tab.press("Enter")
        found = tab.evaluate("[...document.querySelectorAll('.results b')].map(each => each.textContent)")
        assert set(found) == set(places), words
    tab.evaluate("document.querySelector('input').value = ''; document.querySelector('input').focus()")
    tab.type("rain on Monday")
    tab.press("Enter")
    tab.click(".results li:last-child a")
    tab.until("location.hash === '#i2.t1' && document.getElementById('i2.t1').open")
    assert tab.evaluate("CSS.highlights.get('sought').size") > 0


SOUGHT = ["re-read", "a/b", "x^-]", "{}", "\\", "é-", "🙂-🙂", "$&", "[a-z]", "a.b", "(?:", "-"]


@pytest.fixture(scope="module")
def tab_of_all_sought(
    chromium: Chromium, small_trace: RLMTrace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Tab]:
    """One page, of a trace in which all of them stand."""
    trace = small_trace.model_copy(deep=True)
    trace.executions[1].output = "".join(f"before {words} behind\n" for words in SOUGHT)
    path = tmp_path_factory.mktemp("sought") / "page.html"
    trace.to_html(path)
    tab = Tab.of(chromium, path.as_uri(), 1440, 900, "light")
    yield tab
    tab.close()


@pytest.mark.parametrize("words", SOUGHT)
def test_whatever_is_sought_is_sought_as_it_stands(tab_of_all_sought: Tab, words: str) -> None:
    tab = tab_of_all_sought
    tab.send("Page.bringToFront")
    tab.evaluate("document.querySelector('input').value = ''; document.querySelector('input').focus()")
    tab.type(words)
    tab.press("Enter")
    found = tab.evaluate("[...document.querySelectorAll('.results mark')].map(each => each.textContent)")
    assert words in found
    assert tab.complaints == []
