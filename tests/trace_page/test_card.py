"""How a notebook shows a run."""

from __future__ import annotations

from html.parser import HTMLParser

from rlm_integrations import RLMEngine, RLMTrace
from rlm_integrations.testing import ScriptedModel


def text_of(html: str) -> str:
    """What a reader sees of it; it holds no other elements than these."""
    seen: list[str] = []

    class Text(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert tag in ("div", "code")
            assert [name for name, _ in attrs] in ([], ["style"])
            seen.append("\n")

        def handle_data(self, data: str) -> None:
            seen.append(data)

    parser = Text()
    parser.feed(html)
    parser.close()
    return "".join(seen)


def test_a_result_shows_its_question_its_answer_and_what_it_took() -> None:
    result = RLMEngine(ScriptedModel(["```repl\ncite('some')\nFINAL('Nine.')\n```"])).run("How long?", "some text")
    lines = text_of(result._repr_html_()).split()
    shown = " ".join(lines)
    assert shown.startswith("How long? Nine. stop reason: answer · 1 iteration, 0 sub-calls, ")
    assert "1 citation" in shown
    assert shown.endswith("result.trace.to_html(path) # the whole run as a page")
    assert "trace.to_html(path)" in text_of(result.trace._repr_html_())


def test_a_card_is_short_and_only_text_whatever_the_run_holds(small_trace: RLMTrace) -> None:
    hostile = "</div><script>alert(1)</script><img src=x onerror=alert(1)>'\"&amp;\u202e\x00\ud800" * 10_000
    failed = small_trace.model_copy(update={"question": hostile, "answer": hostile, "error": hostile})
    card = failed._repr_html_()
    assert len(card) < 20_000
    assert card.encode()
    shown = text_of(card)
    assert "<script>alert(1)</script>" in shown
    assert "\\u202e\\x00\\ud800" in shown
    assert "failed: " in shown
    assert "9 sub-calls (1 failed)" in text_of(small_trace._repr_html_())


def test_a_trace_without_an_end_says_so(small_trace: RLMTrace) -> None:
    assert "not finished" in text_of(small_trace.model_copy(update={"stop_reason": None})._repr_html_())
