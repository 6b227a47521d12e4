from __future__ import annotations

import gc
import signal
from collections.abc import Callable, Iterator

import pytest

Interrupt = Callable[..., None]


@pytest.fixture
def interrupt(repl) -> Iterator[Interrupt]:
    """Interrupts the session after some seconds, with the handler that a sandbox would install.

    The signal comes from the kernel: a thread could not send it while `re` holds the interpreter.
    """

    def handler(number: int, frame: object) -> None:
        if repl.interpreter.interruptible:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, handler)

    def after(seconds: float, again: float = 0) -> None:
        signal.setitimer(signal.ITIMER_REAL, seconds, again)

    yield after
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_an_interrupt_stops_an_endless_loop_and_keeps_what_ran(repl, interrupt):
    interrupt(0.05)
    done = repl.step("kept = 1\nprint('before')\nwhile True:\n    pass")
    assert done.error is not None
    assert done.error.kind == "interrupted"
    assert done.error.message == "stopped after the step's time limit"
    assert done.error.line in (3, 4)
    assert done.output == "before\n"
    assert repl.value("kept") == "1"


@pytest.mark.parametrize("code", ["import re\nre.match('(a+)+b', 'a' * 40)", "import asyncio\nawait asyncio.sleep(60)"])
def test_an_interrupt_stops_backtracking_and_awaiting(repl, interrupt, code):
    interrupt(0.05)
    done = repl.step(code)
    assert done.error is not None
    assert (done.error.kind, done.error.line) == ("interrupted", 2)
    assert repl.value("import asyncio\nawait asyncio.sleep(0, 'on')") == "on"


@pytest.mark.parametrize(
    "code",
    [
        "class Slow(Exception):\n    def __str__(self):\n        while True: pass\nraise Slow",
        "class Slow:\n    def __bool__(self):\n        while True: pass\nanswer['ready'] = Slow()",
        "class Slow:\n    def __repr__(self):\n        while True: pass\nSlow()",
    ],
)
def test_code_of_the_model_that_the_session_calls_can_be_interrupted(repl, interrupt, code):
    interrupt(0.05)
    done = repl.step("kept = 1", code)
    assert done.error is not None or done.answer.refused is not None
    assert repl.value("kept") == "1"


@pytest.fixture
def no_collection() -> Iterator[None]:
    """The garbage collector calls Hypothesis, which runs in no worker; an interrupt that lands there is lost."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collection")
def test_interrupts_at_any_moment_neither_escape_nor_lose_the_step(repl, interrupt):
    """A shower of them over many short steps: each step gives its result, and later ones find the session whole."""
    interrupt(0.0003, again=0.0003)
    interrupted = 0
    for number in range(1_500):
        done = repl.step(f"n = {number}\nprint(n)", "n")
        if done.error is not None:
            assert done.error.kind == "interrupted"
            interrupted += 1
    interrupt(0)
    assert interrupted
    assert repl.value("n = 'whole'\nn") == "whole"


def test_the_session_is_interruptible_only_while_model_code_runs(repl):
    seen: list[bool] = []
    repl.host.head = type(
        "Watched", (list,), {"append": lambda self, text: seen.append(repl.interpreter.interruptible)}
    )()
    assert not repl.interpreter.interruptible
    repl.step("print('x')\nprint('y', end='')")
    assert seen == [True, False]  # the line at once, the rest when the step was over
    assert not repl.interpreter.interruptible
