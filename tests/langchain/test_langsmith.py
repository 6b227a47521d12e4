"""The tree of a run as LangSmith's own client sends it, to a server on loopback."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from langchain_core.tracers.langchain import LangChainTracer
from langsmith import Client

from rlm_integrations import Completion, Message, RootModelError, Twice, Usage
from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.testing.langchain import ScriptedChatModel


class LangSmith:
    """What was sent, a run under each id."""

    def __init__(self, serve_posts: Callable[..., str]) -> None:
        self.runs: dict[str, dict[str, Any]] = {}
        settings = {
            "use_multipart_endpoint": False,
            "size_limit": 100,
            "size_limit_bytes": 20_971_520,
            "scale_up_nthreads_limit": 1,
            "scale_up_qsize_trigger": 1_000,
            "scale_down_nempty_trigger": 4,
        }
        self.client = Client(
            serve_posts(self._take), api_key="of this test", info={"version": "0.8.0", "batch_ingest_config": settings}
        )

    def _take(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        for kind in ("post", "patch"):
            for run in json.loads(body).get(kind, ()):
                known = self.runs.setdefault(run["id"], {})
                known.update({name: value for name, value in run.items() if value is not None})
        handler.send_response(202)
        handler.send_header("Content-Length", "2")
        handler.end_headers()
        handler.wfile.write(b"{}")

    def trace(self, rlm: RLMRunnable, question: str) -> Any:
        tracer = LangChainTracer(client=self.client, project_name="tests")
        try:
            return rlm.invoke(question, {"callbacks": [tracer]})
        finally:
            tracer.wait_for_futures()
            self.client.flush()

    def lines(self) -> list[str]:
        """The tree: names, kinds, tokens that were counted, and the kinds of errors."""
        below: dict[str | None, list[dict[str, Any]]] = {}
        for run in self.runs.values():
            below.setdefault(run.get("parent_run_id"), []).append(run)
            assert run["end_time"]
            assert run["dotted_order"].startswith(self.runs[run.get("parent_run_id", run["id"])]["dotted_order"])
        lines: list[str] = []

        def draw(run: dict[str, Any], depth: int) -> None:
            error = run.get("error", "").partition("(")[0]
            parts = [run["name"], run["run_type"], *([f"!{error}"] if error else []), *_tokens(run)]
            lines.append("  " * depth + " ".join(parts))
            for each in sorted(below.get(run["id"], []), key=lambda each: each["dotted_order"]):
                draw(each, depth + 1)

        for run in below[None]:
            draw(run, 0)
        return lines


def _tokens(run: dict[str, Any]) -> list[str]:
    if run["run_type"] != "llm" or "error" in run:
        return []
    [[generation]] = run["outputs"]["generations"]
    usage = generation["message"]["kwargs"]["usage_metadata"]
    return [f"{usage['input_tokens']}+{usage['output_tokens']}"]


@pytest.fixture
def langsmith(serve_posts: Callable[..., str]) -> LangSmith:
    return LangSmith(serve_posts)


class Root(ScriptedChatModel):
    pass


class Sub(ScriptedChatModel):
    pass


def sub_reply(messages: Sequence[Message]) -> Completion:
    if messages[0].content.startswith("You answer a question about a corpus"):
        return Completion("```repl\nFINAL(llm_query('below'))\n```", Usage(input_tokens=50, output_tokens=5))
    if messages[-1].content == "fail":
        raise ValueError("no")
    return Completion("a plum", Usage(input_tokens=5, output_tokens=1))


def runnable(*codes: str | Exception, **options: Any) -> RLMRunnable:
    replies = [code if isinstance(code, Exception) else f"```repl\n{code}\n```" for code in codes]
    root = Root(replies, usage=Usage(input_tokens=100, output_tokens=10))
    context = "Nothing of note here. " * 1_000
    return RLMRunnable(llm=root, sub_llm=Sub(always=sub_reply), context=context, limits={"max_depth": 2}, **options)


def test_calls_failed_calls_tools_and_children_stand_below_their_step(langsmith: LangSmith) -> None:
    def weather(day: str) -> str:
        """What the weather was."""
        return f"rain on {day}"

    codes = (
        "for words in ('one', 'fail'):\n    try:\n        print(llm_query(words))\n    except Exception:\n        pass",
        "print(rlm_query('Which?', context[:99]), weather('Monday'))",
        "FINAL('done')",
    )
    langsmith.trace(runnable(*codes, tools=[weather]), "What of it?")
    assert langsmith.lines() == [
        "RLMRunnable chain",
        "  Root llm 100+10",
        "  python_repl tool",
        "    Sub llm 5+1",
        "    Sub llm !ValueError",
        "  Root llm 100+10",
        "  python_repl tool",
        "    rlm_query chain",
        "      Sub llm 50+5",
        "      python_repl tool",
        "        Sub llm 5+1",
        "  Root llm 100+10",
        "  python_repl tool",
    ]


def test_checks_are_runs_and_those_of_two_blind_runs_say_of_which(langsmith: LangSmith) -> None:
    def in_numbers(answer: str, result: object) -> str | None:
        return None if answer.isdigit() else "say it in numbers"

    verdict = {"verdict": "second", "why": "it counts", "answer": None}
    codes = ("FINAL('many')", "FINAL('41')", "FINAL('42')", f"FINAL({verdict!r})")
    assert langsmith.trace(runnable(*codes, verify=[in_numbers, Twice()]), "How many?").text == "42"
    step = ["  Root llm 100+10", "  python_repl tool"]
    check = ["  in_numbers chain"]
    assert langsmith.lines() == ["RLMRunnable chain", *[*step, *check] * 4]
    said = [run for run in langsmith.runs.values() if run["name"] == "in_numbers"]
    of_others = [{"iteration": 1, "attempt": attempt} for attempt in (2, 3)]
    assert [run["inputs"] for run in said] == [{"iteration": 1}, {"iteration": 2}, *of_others]
    assert [run["outputs"] for run in said] == [
        {"taken": False, "objection": "say it in numbers"},
        *[{"taken": True, "objection": None}] * 3,
    ]
    steps = [run["inputs"] for run in langsmith.runs.values() if run["name"] == "python_repl"]
    if "code" in steps[0]:  # older versions send a tool's input as one str
        assert [inputs.get("attempt") for inputs in steps] == [None, None, 2, 3]


def test_a_run_that_fails_and_a_check_that_breaks_say_so(langsmith: LangSmith) -> None:
    def broken(answer: str, result: object) -> None:
        raise LookupError("no such thing")

    with pytest.raises(Exception, match="no such thing"):
        langsmith.trace(runnable("FINAL('42')", verify=broken), "How many?")
    assert langsmith.lines() == [
        "RLMRunnable chain !RunError",
        "  Root llm 100+10",
        "  python_repl tool",
        "  broken chain !RuntimeError",
    ]
    langsmith.runs.clear()
    with pytest.raises(RootModelError):
        langsmith.trace(runnable(RuntimeError("down")), "How many?")
    assert langsmith.lines() == ["RLMRunnable chain !RootModelError", "  Root llm !RuntimeError"]
