"""What models, documents and users wrote is text in the page of a trace, whatever it would like to be."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_integrations import Completion, Message, RLMEngine, RLMTrace
from rlm_integrations.testing import ScriptedModel
from rlm_integrations.trace_page.page import page_of
from rlm_integrations.trace_page.texts import LongTexts, script_json

OpenTab = Callable[..., Any]

ATTACK = (
    "</script><script>window.hacked=1</script><!--<script><img src=x onerror=window.hacked=2>"
    "<svg/onload=window.hacked=3>{{7*7}}javascript:window.hacked=4//\u2028\u202egnp.exe\u202c\x00\x1b[2J\u200b\U000e0041"
)
SHOWN = ATTACK[: ATTACK.index("\u2028")]


@pytest.fixture(scope="module")
def hostile_trace() -> RLMTrace:
    """Of a run in which everybody is hostile: who asks, a document, its id, models, their names, a tool."""

    def sub_reply(messages: Sequence[Message]) -> Completion:
        if "fail" in messages[-1].content:
            raise ValueError(ATTACK)
        return Completion(ATTACK + "x" * 500, thoughts=ATTACK, model=ATTACK)

    def leak(text: str) -> str:
        """Gives it back."""
        return text

    code = (
        "text = context[0]['text']\nid = context[0]['id']\nprint(text, llm_query(text), llm_query(text), leak(text))\n"
        "print(llm_query_batched(['fail ' + text, 'more ' + text]))\ncite(text[:60], id)\n"
        f"attack = {ATTACK!r} # {SHOWN}\nraise KeyError(text)"
    )
    replies = [
        Completion(f"{ATTACK}\n```repl\n{code}\n```", thoughts=ATTACK, model=ATTACK),
        f"```repl\nFINAL({ATTACK!r})\n```",
    ]
    engine = RLMEngine(ScriptedModel(replies), sub_llm=ScriptedModel(always=sub_reply), tools=[leak])
    return engine.run(f"What? {ATTACK}", {f"{ATTACK}.txt": ATTACK + " And more." * 20}).trace


def test_what_is_hostile_is_shown_as_text_and_runs_nowhere(open_tab: OpenTab, hostile_trace: RLMTrace) -> None:
    document = ATTACK + " And more." * 20
    tab = open_tab(page_of(hostile_trace.model_dump(mode="json"), {f"{ATTACK}.txt": document}))
    for link in ("i1", "i1.s1", "i1.s3", "i1.t1", "i2"):
        tab.evaluate(f"location.hash = {link!r}")
        tab.unfold_everything()
    tab.evaluate("document.querySelector('input').focus()")
    tab.type("<script>window.hacked")
    tab.press("Enter")
    assert int(tab.evaluate("document.querySelectorAll('.results li').length")) > 5
    assert tab.evaluate("window.hacked") is None
    assert tab.complaints == []
    assert len(tab.requested) == 1
    assert tab.evaluate("document.querySelectorAll('img, svg, iframe, object, embed, form, link, base').length") == 0
    assert tab.evaluate("[...document.querySelectorAll('a')].every(each => each.getAttribute('href').startsWith('#'))")
    assert tab.evaluate("document.querySelectorAll('script:not([type])').length") == 1
    assert SHOWN in tab.evaluate("document.querySelector('h1').textContent")
    for place in (".citation .document", "tbody", "#i1 .asked", "#i1 .ran", "#i1\\\\.s1", "#i1\\\\.s3 .error"):
        assert SHOWN in tab.evaluate(f"document.querySelector('{place}').textContent"), place


def test_what_turns_text_round_or_hides_stands_there_as_an_escape(open_tab: OpenTab, hostile_trace: RLMTrace) -> None:
    tab = open_tab(hostile_trace, "#i1.s1")
    tab.unfold_everything()
    shown = tab.evaluate("document.body.innerText")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u2028-\u202e\u2066-\u2069]", shown)
    escapes = tab.evaluate("[...document.querySelectorAll('h1 .escape')].map(each => each.textContent)")
    assert escapes == ["\\u2028\\u202e", "\\u202c\\u0000\\u001b", "\\u200b\\U000e0041"]


def test_letters_of_any_script_and_emojis_stay_as_they_are(open_tab: OpenTab, small_trace: RLMTrace) -> None:
    words = "می‌خواهم 👩‍👩‍👧 ❤️ 日本語 שלום क्ष"
    tab = open_tab(small_trace.model_copy(update={"question": words}))
    assert tab.evaluate("document.querySelector('h1').textContent") == words
    assert tab.evaluate("document.querySelectorAll('h1 .escape').length") == 0


def test_a_script_that_got_into_the_page_would_not_run(open_tab: OpenTab, small_trace: RLMTrace) -> None:
    page = page_of(small_trace.model_dump(mode="json"))
    injected = (
        "<script>window.hacked=1</script><script src='https://example.org/x.js'></script>"
        "<img src='https://example.org/x.png' onerror='window.hacked=2'><style>h1 { display: none }</style>"
        "<h6 style='color: red' onclick='window.hacked=3'>x</h6><base href='https://example.org/'>"
        "<iframe src='https://example.org/'></iframe><link rel=stylesheet href='https://example.org/x.css'>"
        "<form action='https://example.org/'></form>"
    )
    tab = open_tab(page.replace("<main>", f"{injected}<main>"))
    tab.click("h6")
    tab.evaluate("document.querySelector('form').requestSubmit()")
    for what in ("script", "image", "style", "base-uri", "frame", "form-action"):
        tab.until_complaint(what)
    assert tab.evaluate("window.hacked") is None
    assert tab.evaluate("getComputedStyle(document.querySelector('h1')).display") != "none"
    assert tab.evaluate("getComputedStyle(document.querySelector('h6')).color") != "rgb(255, 0, 0)"
    evaluated = "(() => { try { return eval('1') } catch (error) { return error.name } })()"
    assert tab.evaluate(evaluated, allowUnsafeEvalBlockedByCSP=False) == "EvalError"
    sent = tab.events("Network.requestWillBeSent")
    refused = {each["requestId"] for each in tab.events("Network.loadingFailed") if each.get("blockedReason") == "csp"}
    assert [each for each in sent if "//example" in each["request"]["url"] and each["requestId"] not in refused] == []


CODE = [
    "",
    'x = \'open\ny = """never closed\nz = 1',
    'f\'{a!r:>{b}}\' + rb\'\\\'\' + R"""\\"""" # c',
    "'''a\\'''b''' c",
    "\\",
    "def f(:\n\treturn ]][[ `` $$ ?? \x07",
    "'" * 1001,
    '"' * 1001 + "\\",
    "é = 'ß'; 变量 = 1_000.5e3j; # 注释",
    "</pre></script><b>x",
]


def test_code_keeps_every_character_in_colours_however_broken_it_is(open_tab: OpenTab, small_trace: RLMTrace) -> None:
    chance = random.Random(1)
    pieces = ["'", '"', '"""', "'''", "\\", "\n", "#", "f", "rb", "x", "1.", "def ", "(", " ", "é"]
    codes = CODE + ["".join(chance.choices(pieces, k=40)) for _ in range(300)]
    trace = small_trace.model_copy(deep=True)
    trace.executions[0].blocks = list(codes)
    trace.iterations[0].reply = "It came by a tool."
    tab = open_tab(trace, "#i1")
    shown = tab.evaluate(
        "[...document.querySelectorAll('#i1 pre.code')].map(each => { "
        "each.querySelectorAll('.escape').forEach(e => e.replaceWith('\\x07')); return each.textContent; })"
    )
    assert shown == codes
    assert tab.evaluate("document.querySelectorAll('#i1 .py-string').length") > 300


NAMES = st.text(max_size=5) | st.sampled_from(["$text", "$$text", "$$$text", "text", "$texts", "$text\n"])


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.text(min_size=390, max_size=420),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
        max_leaves=6,
    )
)
def test_a_trace_is_whole_in_the_page_and_ends_no_script(value: Any) -> None:
    texts = LongTexts()
    told = script_json(texts.take_from(value))
    parts = script_json(texts.parts)
    assert not re.search("[<\u2028\u2029\ud800-\udfff]", told + parts)
    read = json.loads(parts)

    def whole(each: Any) -> Any:
        if isinstance(each, dict) and "$text" in each:
            part, index = each["$text"]
            return read[part][index]
        if isinstance(each, dict):
            return {re.sub(r"^\$(?=\$+text$)", "", name): whole(inner) for name, inner in each.items()}
        return [whole(inner) for inner in each] if isinstance(each, list) else each

    assert whole(json.loads(told)) == value


@pytest.mark.parametrize("forged", [{"$text": [0, 0]}, {"$text": []}, {"$$text": {"$text": [9, "x"], "head": 1}}])
def test_what_looks_like_the_place_of_a_text_is_shown_as_it_is(
    open_tab: OpenTab, small_trace: RLMTrace, forged: dict[str, Any]
) -> None:
    dumped = small_trace.model_dump(mode="json")
    dumped["iterations"][0]["newer"] = [forged, "long " * 200]
    tab = open_tab(page_of(dumped), "#i1")
    shown = tab.evaluate(
        "[...document.querySelectorAll('#i1 dt')].find(e => e.textContent === 'newer').nextSibling.textContent"
    )
    assert json.loads(shown) == [forged, "long " * 200]


def test_a_long_text_that_is_repeated_stands_in_the_page_once(small_trace: RLMTrace) -> None:
    trace = small_trace.model_copy(deep=True)
    for call in trace.executions[0].sub_calls:
        call.prompt = call.reply = "The same. " * 100_000
    assert len(page_of(trace.model_dump(mode="json"))) < 1_500_000
