"""ConsoleProgress, with real runs: alone, beside each other, failing, over streams that fail."""

from __future__ import annotations

import asyncio
import io
import re
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from llama_index.core import Document as LlamaDocument

from rlm_integrations import Message, RLMEngine, RootModelError, Usage
from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.llama_index import RLMQueryEngine
from rlm_integrations.terminal import ConsoleProgress
from rlm_integrations.terminal.console import TerminalConsole
from rlm_integrations.testing import ScriptedModel
from rlm_integrations.testing.langchain import ScriptedChatModel
from rlm_integrations.testing.llama_index import ScriptedLLM

CORPUS = {"letter": "The crate came warm. " * 500}
LOOK = '```repl\nprint(len(context))\nreplies = llm_query_batched(["a", "b", "c"])\n```'
SAY = '```repl\nFINAL("yes")\n```'


def engine(progress: ConsoleProgress, replies: Sequence[str] = (LOOK, SAY)) -> RLMEngine[Any]:
    return RLMEngine(ScriptedModel(replies), sub_llm=ScriptedModel(always=lambda messages: "x"), on_event=progress)


def paper() -> tuple[io.StringIO, ConsoleProgress]:
    stream = io.StringIO()
    return stream, ConsoleProgress(TerminalConsole(file=stream, force_terminal=False, highlight=False, width=200))


def without_figures(text: str) -> list[str]:
    return [re.sub(r"[\d,]+ in, [\d,]+ out|\d+\.\d s", "N", line) for line in text.splitlines()]


@pytest.mark.parametrize("way", ["run", "arun"])
async def test_a_run_has_a_line_for_each_iteration_and_one_at_its_end(way: str) -> None:
    stream, progress = paper()
    if way == "run":
        await asyncio.to_thread(engine(progress).run, "Was it warm?", CORPUS)
    else:
        await engine(progress).arun("Was it warm?", CORPUS)
    assert without_figures(stream.getvalue()) == [
        "Was it warm? (corpus: 1 document, 10,500 characters)",
        "iteration 1 of 20: 1 code block, 3 sub-calls, tokens N, N",
        "iteration 2 of 20: 1 code block, tokens N, N",
        "done, 2 iterations, 3 sub-calls, tokens N, N",
    ]


async def test_runs_beside_each_other_are_told_apart() -> None:
    stream, progress = paper()
    both = asyncio.Barrier(2)

    class Meets(ScriptedModel):
        async def complete(self, messages: Sequence[Message]) -> Any:
            await both.wait()
            return await super().complete(messages)

    engines = [RLMEngine(Meets([SAY]), on_event=progress) for _ in range(2)]
    await asyncio.gather(*[each.arun(f"Question {n}?", CORPUS) for n, each in enumerate(engines)])
    lines = without_figures(stream.getvalue())
    assert len(lines) == 6
    runs = {line.partition(":")[0] for line in lines if line.startswith("run ")}
    assert len(runs) == 2
    assert sum("done, 1 iteration" in line for line in lines) == 2


async def test_a_run_that_fails_says_why_and_the_next_is_shown_as_if_it_were_the_first() -> None:
    stream, progress = paper()
    with pytest.raises(RootModelError):
        await engine(progress, [RuntimeError("no \x1b[31mserver"), RuntimeError("no server")]).arun("?", CORPUS)  # type: ignore[list-item]
    assert "\x1b" not in stream.getvalue()
    assert "failed: the root LM failed in iteration 1" in stream.getvalue()
    await engine(progress).arun("Again?", CORPUS)
    assert without_figures(stream.getvalue())[-1].startswith("done, 2 iterations")


async def test_without_contents_no_word_of_a_user_or_a_server_is_shown() -> None:
    stream = io.StringIO()
    console = TerminalConsole(file=stream, force_terminal=False, highlight=False, width=200)
    quiet = ConsoleProgress(console, contents=False)
    failing: Any = ScriptedModel([ValueError("the server quoted: secret")] * 3)
    await RLMEngine(ScriptedModel([LOOK, SAY]), sub_llm=failing, on_event=quiet).arun("The secret?", CORPUS)
    with pytest.raises(RootModelError):
        await engine(quiet, [RuntimeError("secret"), RuntimeError("secret")]).arun("A secret?", CORPUS)  # type: ignore[list-item]
    assert "secret" not in stream.getvalue()
    assert "failed: RuntimeError, 1 iteration" in stream.getvalue()
    assert without_figures(stream.getvalue())[:4] == [
        "a question of 11 characters (corpus: 1 document, 10,500 characters)",
        "iteration 1 of 20: 1 code block, 3 sub-calls (3 failed), tokens N, N",
        "iteration 2 of 20: 1 code block, tokens N, N",
        "done, 2 iterations, 3 sub-calls (3 failed: ValueError), tokens N, N",
    ]


async def test_on_a_terminal_what_goes_on_is_redrawn_and_nothing_of_it_is_left() -> None:
    stream = io.StringIO()
    console = TerminalConsole(file=stream, force_terminal=True, highlight=False, width=100, legacy_windows=False)
    await engine(ConsoleProgress(console)).arun("Was it warm?", CORPUS)
    assert "rlm-redrawn-lines" not in {thread.name for thread in threading.enumerate()}
    drawn = stream.getvalue()
    assert "asking the root LM" in drawn or "starting" in drawn
    assert drawn.endswith("\x1b[?25h")  # the cursor is there again


async def test_a_stream_that_fails_ends_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    assert (await engine(ConsoleProgress()).arun("?", CORPUS)).answer == "yes"


def test_both_frameworks_take_it(capsys: pytest.CaptureFixture[str]) -> None:
    progress = ConsoleProgress()
    RLMRunnable(llm=ScriptedChatModel([SAY]), context=[Document("warm")], on_event=progress).invoke("LangChain?")
    documents = [LlamaDocument(text="warm")]
    RLMQueryEngine.from_documents(documents, llm=ScriptedLLM([SAY]), on_event=progress).query("LlamaIndex?")
    shown = capsys.readouterr().err
    assert "LangChain? (corpus: 1 document" in shown
    assert "LlamaIndex? (corpus: 1 document" in shown
    assert shown.count("done, 1 iteration") == 2


async def test_what_came_from_the_journal_is_said_apart_from_what_was_paid(tmp_path: Path) -> None:
    """Ended in its second iteration, gone on with there, and made again."""
    stream, progress = paper()
    root = ScriptedModel([LOOK, ConnectionError("cut"), SAY], usage=Usage(input_tokens=100, output_tokens=10))
    sub = ScriptedModel(always=lambda messages: "x", usage=Usage(input_tokens=5, output_tokens=1))
    made = RLMEngine(root, sub_llm=sub, on_event=progress, journal=tmp_path / "runs.sqlite")
    with pytest.raises(ConnectionError):
        await made.arun("Was it warm?", CORPUS)
    stream.truncate(0)
    await made.arun("Was it warm?", CORPUS)
    await made.arun("Was it warm?", CORPUS)
    asked = "Was it warm? (corpus: 1 document, 10,500 characters)"
    assert re.sub(r"\d+\.\d s", "N", stream.getvalue().lstrip("\0")).splitlines() == [
        asked,
        "iteration 1 of 20: 1 code block, 3 sub-calls, tokens 0 in, 0 out (replayed: 115 in, 13 out), N",
        "iteration 2 of 20: 1 code block, tokens 100 in, 10 out, N",
        "done, 2 iterations, 3 sub-calls, tokens 100 in, 10 out (replayed: 115 in, 13 out), N",
        asked,
        "done, 0 iterations, 0 sub-calls, tokens 0 in, 0 out (replayed: 215 in, 23 out), N",
    ]
