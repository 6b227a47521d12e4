"""Where a run of `ask` breaks, and what is kept of it: each row with the real command and a real server."""

from __future__ import annotations

import io
import json
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from rlm_integrations import RLMLimits, RLMResult, RLMTrace
from rlm_integrations.cli import delivery
from rlm_integrations.cli.trace_file import TraceFile
from rlm_integrations.testing import ScriptedModel

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")

ANSWER = "the cellar"
DRAFT = "perhaps the cellar"
DRAFTS = f'```repl\nanswer["content"] = "{DRAFT}"\n```'
ASKS = "```repl\nFINAL(llm_query('What does it open?'))\n```"
OUT_OF_ORDER = ValueError("the model is out of order")

Stream = Literal["read", "full", "gone", "closed"]
"""Who reads it: somebody, a full disk, nobody any more, or it was closed before the start."""


@dataclass(frozen=True)
class Break:
    name: str
    code: int
    stdout: Stream = "read"
    stderr: Stream = "read"
    trace: str | None = "run.json"
    hangs: Literal["root", "sub"] | None = None
    """Which model does not reply, so that the signal comes while it is asked."""
    signal: int | None = None
    fails: bool = False
    as_json: bool = False
    kept: tuple[str, ...] = ()
    """Where what was paid for is found afterwards: the answer in "stdout", the run in "trace" or in "temporary"
    (a file that stderr names), the draft or the answer in "stderr".
    """
    says: tuple[str, ...] = ()
    """On stderr."""

    @property
    def unfinished(self) -> bool:
        return self.fails or self.signal is not None


SUMMARY = "2 iterations, "
INTERRUPTED, TERMINATED = (SUMMARY, "Interrupted."), (SUMMARY, "Terminated.")
FAILED = ("The run failed: the root LM failed in iteration 2", SUMMARY)
INT, TERM, HUP = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
BREAKS = [
    Break("nothing breaks", 0, kept=("stdout", "trace"), says=(SUMMARY, "Trace: run.json")),
    Break("stderr closed", 0, stderr="closed", kept=("stdout", "trace")),
    Break("stderr full", 0, stderr="full", kept=("stdout", "trace")),
    Break("stderr gone", 0, stderr="gone", kept=("stdout", "trace")),
    Break("stdout closed", 1, stdout="closed", kept=("trace",), says=("The answer was not printed", SUMMARY)),
    Break("stdout full", 1, stdout="full", kept=("trace",), says=("No space left", "The trace has it.", SUMMARY)),
    Break("stdout gone", 1, stdout="gone", kept=("trace",), says=("Broken pipe", "The trace has it.", SUMMARY)),
    Break("stdout full, JSON", 1, stdout="full", as_json=True, kept=("trace",), says=("No space left", SUMMARY)),
    Break("stdout full, no trace asked for", 1, stdout="full", trace=None, kept=("temporary",), says=(SUMMARY,)),
    Break("trace full", 1, trace="/dev/full", kept=("stdout", "temporary"), says=("The trace was not written: ",)),
    Break("stdout and trace full", 1, stdout="full", trace="/dev/full", kept=("temporary",), says=(SUMMARY,)),
    Break("all full", 1, stdout="full", stderr="full", trace="/dev/full", kept=("temporary",)),
    Break("run failed", 1, fails=True, kept=("stderr", "trace"), says=FAILED),
    Break("run failed, stderr full", 1, fails=True, stderr="full", kept=("trace",)),
    Break("run failed, no trace", 1, fails=True, trace=None, kept=("stderr",), says=FAILED),
    Break("Ctrl-C, root call", 130, hangs="root", signal=INT, kept=("stderr", "trace"), says=INTERRUPTED),
    Break("Ctrl-C, sub-call", 130, hangs="sub", signal=INT, kept=("stderr", "trace"), says=INTERRUPTED),
    Break("Ctrl-C, JSON", 130, hangs="sub", signal=INT, as_json=True, kept=("stderr", "trace"), says=INTERRUPTED),
    Break("Ctrl-C, stderr full", 130, hangs="sub", signal=INT, stderr="full", kept=("trace",)),
    Break("Ctrl-C, trace full", 130, hangs="sub", signal=INT, trace="/dev/full", kept=("stderr", "temporary")),
    Break("SIGTERM, root call", 143, hangs="root", signal=TERM, kept=("stderr", "trace"), says=TERMINATED),
    Break("SIGTERM, sub-call", 143, hangs="sub", signal=TERM, kept=("stderr", "trace"), says=TERMINATED),
    Break("the terminal goes", 129, hangs="root", signal=HUP, stdout="gone", stderr="gone", kept=("trace",)),
]  # fmt: skip


@pytest.fixture
def run_broken(start_command: Any, model_server: Any, corpus: Path, tmp_path: Path) -> Iterator[Callable[[Break], Any]]:
    with ExitStack() as files:

        def target(stream: Stream) -> int | None:
            """A descriptor; None for a stream that is caught."""
            if stream == "read":
                return None
            if stream == "gone":
                reader, writer = os.pipe()
                os.close(reader)
                return files.enter_context(open(writer, "wb", buffering=0)).fileno()
            path = "/dev/full" if stream == "full" else os.devnull
            return files.enter_context(open(path, "wb", buffering=0)).fileno()

        def run(row: Break) -> Any:
            held = threading.Event()

            def hang() -> str:
                held.set()
                return str(model_server.closing.wait(60))

            last: Any = OUT_OF_ORDER if row.fails else ASKS
            replies = iter([DRAFTS, last])
            model_server.models["root"] = ScriptedModel(
                always=lambda _: (
                    hang() if row.hangs == "root" and len(model_server.models["root"].requests) == 2 else told(replies)
                )
            )
            model_server.models["sub"] = ScriptedModel(always=lambda _: hang() if row.hangs == "sub" else ANSWER)
            arguments = ["ask", "notes", "-q", "?", "-m", "root", "--sub-model", "sub", "--base-url", model_server.url]
            arguments += [] if row.trace is None else ["--trace", row.trace]
            arguments += ["--json"] if row.as_json else []
            (tmp_path / "temporary").mkdir()
            running = start_command(
                arguments,
                target(row.stdout),
                target(row.stderr),
                environment={"TMPDIR": str(tmp_path / "temporary")},
                closed=[number for number, stream in ((1, row.stdout), (2, row.stderr)) if stream == "closed"],
            )
            if row.signal is not None:
                assert held.wait(30)
                os.kill(running.process.pid, row.signal)
            return running.end(30)

        yield run


def told(replies: Iterator[Any]) -> str:
    reply = next(replies)
    if isinstance(reply, Exception):
        raise reply
    return reply


@pytest.mark.parametrize("row", BREAKS, ids=lambda row: row.name)
def test_what_was_paid_for_is_kept(run_broken: Callable[[Break], Any], tmp_path: Path, row: Break) -> None:
    ended = run_broken(row)
    assert ended.returncode == row.code, ended
    assert "Traceback" not in ended.stderr
    assert "Exception ignored" not in ended.stderr
    for words in row.says:
        assert words in ended.stderr

    expected = DRAFT if row.unfinished else ANSWER
    if "stdout" in row.kept:
        assert (json.loads(ended.stdout)["answer"] if row.as_json else ended.stdout.rstrip("\n")) == ANSWER
    else:
        told = json.loads(ended.stdout or "{}")  # a draft is no answer
        assert (told.get("error"), told.get("draft")) == (("Interrupted.", DRAFT) if ended.stdout else (None, None))
        assert bool(ended.stdout) == (row.as_json and row.stdout == "read")
    assert (DRAFT in ended.stderr) == ("stderr" in row.kept)
    if "trace" in row.kept:
        check_trace(tmp_path / "run.json", expected, row)
        assert (tmp_path / "run.json").stat().st_mode & 0o777 == 0o600
    rescued = list((tmp_path / "temporary").glob("rlm-trace-*.json"))
    if "temporary" in row.kept:
        check_trace(*rescued, expected, row)
        assert row.stderr != "read" or f"The whole run is kept in {rescued[0]}" in ended.stderr
    elif row.trace != "/dev/full":
        assert rescued == []


class Unwritable(io.StringIO):
    def write(self, text: str, /) -> int:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("temporary", ["missing", "full"])
def test_where_no_file_can_be_written_the_answer_goes_to_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, temporary: str
) -> None:
    trace = RLMTrace(question="q", context="", limits=RLMLimits(), answer=ANSWER)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing" if temporary == "missing" else tmp_path))
    if temporary == "full":
        monkeypatch.setattr(delivery, "_trace_text", Unwritable().write)
    monkeypatch.setattr("sys.stdout", Unwritable())
    assert not delivery.deliver(RLMResult(ANSWER, ANSWER, (), (), "answer", trace), None, as_json=False)
    assert capsys.readouterr().err.splitlines() == [
        "The answer was not printed: [Errno 28] No space left on device",
        ANSWER,
    ]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("contents", [True, False])
def test_a_trace_that_is_kept_elsewhere_holds_no_more_than_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, contents: bool
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    trace = RLMTrace(question="a secret?", context="", limits=RLMLimits(), answer=ANSWER)
    with TraceFile(Path("/dev/full"), contents=contents) as file:
        assert not delivery.deliver(RLMResult(ANSWER, ANSWER, (), (), "answer", trace), file, as_json=False)
    [kept] = tmp_path.iterdir()
    assert ("a secret?" in kept.read_text()) == contents
    said = capsys.readouterr()
    assert said.out == f"{ANSWER}\n"
    assert str(kept) in said.err


def check_trace(file: Path, answer: str, row: Break) -> None:
    trace = RLMTrace.model_validate(json.loads(file.read_text("utf-8")))
    assert trace.iterations[0].reply == DRAFTS
    assert trace.answer == answer
    assert (trace.error is not None) == row.unfinished
    if row.hangs != "root" and not row.fails:
        assert trace.iterations[1].reply == ASKS
