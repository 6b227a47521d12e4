from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest

from rlm_integrations import Message, RLMEngine
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.trace.call_records import Fold, ModelCall
from rlm_integrations.core.trace.events import (
    CodeEnded,
    CodeStarted,
    Event,
    Folded,
    FoldEnded,
    FoldStarted,
    IterationStarted,
    RootReplied,
    RunEnded,
    RunStarted,
    SubCallEnded,
    SubCallsReserved,
)
from rlm_integrations.core.trace.evidence import Evidence, Found
from rlm_integrations.core.trace.records import CodeExecution, Iteration, RLMTrace, SubCall
from rlm_integrations.core.trace.result import RLMResult
from rlm_integrations.core.usage import Usage
from rlm_integrations.terminal.amounts import duration
from rlm_integrations.terminal.console import TerminalConsole
from rlm_integrations.terminal.live_view import LiveView
from rlm_integrations.terminal.run_lines import child_line, iteration_line, summary_line
from rlm_integrations.terminal.run_panel import panel
from rlm_integrations.terminal.run_view import RunView, advance
from rlm_integrations.terminal.streams import PrintableStream
from rlm_integrations.testing import ScriptedModel

ROOT = Usage(input_tokens=1_000, output_tokens=100, cost_usd=0.25)
SUB = Usage(input_tokens=10, output_tokens=1)


def sub_call(number: int, error: str | None = None, at: float = 0.0) -> SubCallEnded:
    call = SubCall(number=number, prompt="p", reply=None if error else "r", error=error, usage=SUB)
    return SubCallEnded(1, call, at=at)


def result() -> RLMResult[str]:
    call = ModelCall(prompt_chars=1, usage=Usage(input_tokens=2_500, output_tokens=250, cost_usd=0.5))
    iterations = [Iteration(number=1, call=call, reply="x")]
    trace = RLMTrace(question="q", context="c", limits=RLMLimits(), iterations=iterations)
    return RLMResult("a", "a", (), Evidence.of(Found((), ())), "answer", trace)


EVENTS: list[Event] = [
    RunStarted("q", 240, 12_345),
    IterationStarted(1, 20, at=4.0),
    RootReplied(1, "```repl```", ROOT),
    CodeStarted(1, ("a", "b")),
    SubCallsReserved(1, 4),
    sub_call(1),
    sub_call(2, "TimeoutError"),
    CodeEnded(1, CodeExecution(blocks=["a", "b"], error="block 2, line 1: KeyError: 'x'")),
    IterationStarted(2, 20, at=34.0),
    RootReplied(2, "plain", ROOT),
]


def after(events: Iterable[Event]) -> RunView:
    view = RunView()
    for event in events:
        view = advance(view, event)
    return view


@pytest.mark.parametrize(
    ("seen", "phase"),
    [
        (0, "reading the corpus"),
        (1, "starting"),
        (2, "asking the root LM"),
        (4, "running code"),
        (5, "waiting for sub-calls"),
        (6, "waiting for sub-calls"),
    ],
)
def test_the_phase_follows_the_events(seen: int, phase: str) -> None:
    assert after(EVENTS[:seen]).phase == phase


def test_sub_calls_are_counted_against_what_was_reserved_and_unsent_ones_given_back() -> None:
    assert str(after(EVENTS[:6]).sub_calls) == "1 of 4"
    assert str(after(EVENTS[:7]).sub_calls) == "2 of 4 (1 failed)"
    assert str(after(EVENTS[:8]).sub_calls) == "2 of 2 (1 failed)"
    assert after([*EVENTS[:5], *map(sub_call, range(4))]).phase == "running code"


def test_an_iteration_in_a_line_counts_what_is_its_own() -> None:
    first, second = after(EVENTS[:8]), after(EVENTS)
    assert iteration_line(first, 34.0) == (
        "iteration 1 of 20: 2 code blocks, 2 sub-calls (1 failed), the code raised an error, "
        "tokens 1,020 in, 102 out, 30.0 s"
    )
    assert iteration_line(second, 129.0) == "iteration 2 of 20: no code, tokens 1,000 in, 100 out, 1 min 35 s"
    guessed = after([*EVENTS, RootReplied(2, "", Usage(estimated_tokens=8)), IterationStarted(3, 20, at=129.0)])
    assert iteration_line(guessed, 129.0) == "iteration 3 of 20: no code, tokens 0 in, 0 out, 0.0 s"


def test_the_summary_takes_the_results_own_usage() -> None:
    ended = after([*EVENTS, RunEnded(result())])
    assert (
        summary_line(ended, 2.0)
        == "2 iterations, 2 sub-calls (1 failed: TimeoutError), tokens 2,500 in, 250 out, $0.5000, 2.0 s"
    )


def test_why_the_first_sub_call_failed_is_known() -> None:
    assert after([*EVENTS, sub_call(3, "OSError")]).first_failure == "TimeoutError"


def test_a_summary_of_older_iterations_is_said_and_counts_to_the_iteration_after_which_it_is_written() -> None:
    call = ModelCall(prompt_chars=9, usage=ROOT)
    folds = [FoldStarted(2, 1, 9), FoldEnded(2, Fold(call=call, up_to=1, reply="So far\x1b[2J.")), Folded(2, 1, 5)]
    assert after([*EVENTS, folds[0]]).phase == "having the root LM sum up its older iterations"
    view = after([*EVENTS, *folds])
    assert view.phase == "asking the root LM"
    assert iteration_line(view, 35.0) == "iteration 2 of 20: no code, tokens 2,000 in, 200 out, 1.0 s"
    file = io.StringIO()
    with LiveView(TerminalConsole(file=file, width=80), in_full=True) as live:
        live.see(folds[1])
    assert file.getvalue() == "  root LM, iterations 1 to 1 summed up:\n    So far\\x1b[2J.\n"


def test_the_call_after_a_limit_has_a_name_of_its_own() -> None:
    assert after([IterationStarted(21, 20)]).iteration_name == "last call"


def test_durations() -> None:
    assert [duration(seconds) for seconds in (0.04, 59.94, 60, 3_725)] == ["0.0 s", "59.9 s", "1 min 0 s", "62 min 5 s"]


@pytest.mark.parametrize("width", [40, 80])
def test_the_panel_fits_its_terminal_and_hides_nothing(width: int) -> None:
    console = TerminalConsole(file=io.StringIO(), width=width, record=True)
    console.print(panel(after(EVENTS[:7]), 2.5))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= width
    assert [line.split(maxsplit=1)[1].rstrip() for line in text.splitlines()] == [
        "iteration 1 of 20",
        "⠋ waiting for sub-calls",
        "2 of 4 (1 failed)",
        "━━━━━━━━━━──────────",
        "1,020 in, 102 out",
        "$0.2500",
        "2.5 s",
    ]


def test_sub_calls_that_are_waited_for_together_have_a_pace() -> None:
    events = [*EVENTS[:4], SubCallsReserved(1, 3, at=1.0), *(sub_call(n, at=1.0 + n) for n in (1, 2, 3))]
    assert (after(events).pending, after(events).rate) == ((0, 0), 0.0)  # all are done
    later = after([*events, SubCallsReserved(1, 1_000, at=10.0), *(sub_call(n, at=10 + n / 4) for n in range(1, 101))])
    assert (later.pending, later.rate) == ((100, 1_000), 4.0)
    console = TerminalConsole(file=io.StringIO(), width=80, record=True)
    console.print(panel(later, 60.0, ascii_only=True))
    assert "##.................. 4.0/s, 3 min 45 s left" in console.export_text()
    assert "pace" not in shown(after([*events, SubCallsReserved(1, 1, at=10.0)]))


def test_the_time_counts_from_when_the_user_began_to_wait() -> None:
    console = TerminalConsole(file=io.StringIO())
    with LiveView(console, clock=lambda: 10.0, began=3.0) as view:
        assert view.seconds == 7.0


def shown(view: RunView) -> str:
    console = TerminalConsole(file=io.StringIO(), width=80, record=True)
    console.print(panel(view, 0.0))
    return console.export_text()


def test_in_full_it_prints_what_was_thought_written_and_printed() -> None:
    file = io.StringIO()
    with LiveView(TerminalConsole(file=file, width=40), in_full=True) as view:
        view.see(EVENTS[1])
        view.see(RootReplied(1, "I look.\n```repl\nprint(1)\x1b[2J\n```", ROOT, thoughts="Hm."))
        view.see(
            CodeEnded(1, CodeExecution(blocks=["a"], output="a line\nand one more", error="line 1: KeyError: 'x'"))
        )
        view.see(CodeEnded(1, CodeExecution(blocks=["a"])))
    assert file.getvalue() == (
        "  it thought:\n    Hm.\n"
        "  root LM, iteration 1:\n    I look.\n    ```repl\n    print(1)\\x1b[2J\n    ```\n"
        "  output:\n    a line\n    and one more\n  error:\n    line 1: KeyError: 'x'\n"
        "  (no output)\n"
    )


def test_why_a_sub_call_failed_is_told_at_once_and_once() -> None:
    file = io.StringIO()
    with LiveView(TerminalConsole(file=file, width=40)) as view:
        for event in [*EVENTS, sub_call(3, "OSError")]:
            view.see(event)
    lines = file.getvalue().splitlines()
    assert lines.count("The first sub-call that failed: TimeoutError") == 1
    assert lines.index("The first sub-call that failed: TimeoutError") == 1  # below the corpus


def test_without_a_terminal_there_is_a_line_for_each_iteration() -> None:
    file = io.StringIO()
    clock = iter(range(100)).__next__
    with LiveView(TerminalConsole(file=file, width=40), clock=lambda: float(clock())) as view:
        for event in [*EVENTS, RunEnded(result(), at=36.0)]:
            view.see(event)
    assert file.getvalue().splitlines() == [
        "corpus: 240 documents, 12,345 characters",
        "The first sub-call that failed: TimeoutError",
        "iteration 1 of 20: 2 code blocks, 2 sub-calls (1 failed), the code raised an error, tokens 1,020 in, 102 out, "
        "30.0 s",
        "iteration 2 of 20: no code, tokens 1,000 in, 100 out, 2.0 s",
    ]


def test_on_a_terminal_the_view_is_redrawn_below_the_lines_and_goes_at_the_end() -> None:
    file = io.StringIO()
    console = TerminalConsole(file=file, width=80, force_terminal=True, color_system=None, _environ={"TERM": "xterm"})
    with LiveView(console) as view:
        for event in EVENTS[:7]:
            view.see(event)
        assert view._lines is not None
        view._lines.redraw()
        for event in EVENTS[7:9]:
            view.see(event)
    drawn = file.getvalue()
    assert "waiting for sub-calls" in drawn
    assert "corpus: 240 documents, 12,345 characters\n" in drawn
    assert "iteration 1 of 20: 2 code blocks" in drawn
    assert drawn.endswith("\x1b[J\x1b8\x1b[?25h")  # the last thing it does is to erase its lines


def test_what_others_write_on_stderr_stands_above_the_lines_that_are_redrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    stderr = PrintableStream(file)
    monkeypatch.setattr("sys.stderr", stderr)
    console = TerminalConsole(file=file, width=80, force_terminal=True, color_system=None, _environ={"TERM": "xterm"})
    with LiveView(console):
        stderr.write("it \x1b[2J")
        stderr.write("warns\nonce")
        drawn = file.getvalue()
    assert "\x1b[J\x1b8it \\x1b[2Jwarns\nnow " in drawn
    assert file.getvalue().endswith("\x1b[?25honce")  # what had no line break comes at the end
    stderr.write(" more\n")
    assert file.getvalue().endswith("once more\n")


def test_a_view_that_fails_raises_nothing_and_says_why() -> None:
    class Broken(io.StringIO):
        def write(self, text: str, /) -> int:
            raise OSError("no screen")

    for terminal in (False, True):
        console = TerminalConsole(file=Broken(), force_terminal=terminal, _environ={"TERM": "xterm"})
        with LiveView(console) as view:
            for event in EVENTS:
                view.see(event)
        assert str(view.failure) == "no screen"


def nested_events() -> list[Event]:
    """Of a real run whose two children each ask once, the second through a child of its own."""
    asks = ["got = llm_query('what?')", "got = rlm_query('deeper')"]
    finish = "answer['content'] = got\nanswer['ready'] = True"

    def child(messages: Sequence[Message]) -> str:
        if "```repl" not in messages[0].content:
            return "leaf"
        question = messages[1].content.split("Question:\n")[1].split("\n")[0]
        code = {"first": asks[0], "second": asks[1], "deeper": asks[0]}[question]
        return f"```repl\n{code}\n{finish}\n```"

    root = f"```repl\ngot = rlm_query_batched([('first', 'a text'), ('second', 'another')])\n{finish}\n```"
    events: list[Event] = []
    with ScriptedModel([root]) as llm:
        engine = RLMEngine(llm, sub_llm=ScriptedModel(always=child), limits={"max_depth": 3}, on_event=events.append)
        engine.run("?", "a line\n" * 100)
    return events


def test_children_at_work_have_a_line_each_until_they_end() -> None:
    views = [RunView()]
    for event in nested_events():
        views.append(advance(views[-1], event))
    lines = {child_line(*item) for view in views for item in view.children.items()}
    assert {line.split(":")[0] for line in lines} == {"1", "2", "2.1"}
    busy = next(view for view in views if (2, 1) in view.children and view.children[2, 1].sub_calls.reserved)
    console = TerminalConsole(file=io.StringIO(), width=80, record=True)
    console.print(panel(busy, 1.0))
    assert "2.1: iteration 1 of 20, waiting for sub-calls, sub-calls 0 of 1" in console.export_text()
    assert views[-1].children == {}
    assert str(views[-1].sub_calls) == "2 of 2"


def test_of_many_children_the_first_are_shown() -> None:
    view = replace(RunView(), children={(n,): RunView(phase="running code") for n in range(1, 31)})
    console = TerminalConsole(file=io.StringIO(), width=80, record=True)
    console.print(panel(view, 1.0))
    lines = [line.strip() for line in console.export_text().splitlines()]
    assert lines[-4:-1] == ["7: running code", "8: running code", "and 22 more"]


def test_in_full_a_child_is_told_by_its_place_in_the_tree() -> None:
    shown = io.StringIO()
    with LiveView(TerminalConsole(file=shown, width=80), in_full=True) as view:
        for event in nested_events():
            view.see(event)
    assert view.failure is None
    assert "child 2.1, iteration 1:" in shown.getvalue()
    assert "root LM, iteration 1:" in shown.getvalue()
    assert shown.getvalue().count("iteration 1 of 20:") == 1


def test_a_refused_answer_is_shown_with_the_words_of_the_check() -> None:
    def in_capitals(answer: str, _result: RLMResult[str]) -> str | None:
        return None if answer.isupper() else "not in\ncapitals"

    replies = [f'```repl\nanswer["content"] = "{word}"\nanswer["ready"] = True\n```' for word in ("heron", "HERON")]
    shown, phases = io.StringIO(), list[str]()
    with LiveView(TerminalConsole(file=shown, width=80), in_full=True) as view, ScriptedModel(replies) as llm:

        def see(event: Event) -> None:
            view.see(event)
            phases.append(view.view.phase)

        RLMEngine(llm, verify=in_capitals, on_event=see).run("?", "a line\n" * 100)
    assert view.failure is None
    assert "  in_capitals refused the answer:\n    not in\n    capitals\n" in shown.getvalue()
    lines = [line for line in shown.getvalue().splitlines() if line.startswith("iteration")]
    assert ["a check refused the answer" in line for line in lines] == [True, False]
    assert "checking the answer: in_capitals" in phases
