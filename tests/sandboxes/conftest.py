"""REPLs of the process sandbox, answered by a scripted host."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rlm_integrations.core.corpus import Corpus
from rlm_integrations.core.sandbox import HostCall, Repl, ReplLost, ReplSettings, StepDone
from rlm_integrations.sandboxes.process.sandbox import ProcessSandbox


@dataclass
class Session:
    """A REPL whose host calls are answered by `answer`; None leaves a call open."""

    repl: Repl
    answer: Callable[[HostCall], Any]
    calls: list[HostCall] = field(default_factory=list)

    async def run(self, *blocks: str, seconds_left: float = float("inf")) -> StepDone | ReplLost:
        """The end of a step."""
        async for event in self.repl.step(blocks, seconds_left):
            if not isinstance(event, HostCall):
                return event
            self.calls.append(event)
            value = self.answer(event)
            if value is not None:
                self.repl.reply(event.id, value)
        raise AssertionError("the step ended without saying how")

    async def value(self, code: str) -> str:
        """What the code prints, and the value of its trailing expression."""
        done = await self.run(code)
        assert isinstance(done, StepDone), done
        assert done.error is None, done.error
        return (done.output.head + done.output.tail).strip()

    async def error(self, code: str) -> str:
        """The exception that ends the code."""
        done = await self.run(code)
        assert isinstance(done, StepDone), done
        assert done.error is not None, done
        return done.error.message

    async def death(self, code: str) -> str:
        """Why the code ends the REPL."""
        lost = await self.run(code)
        assert isinstance(lost, ReplLost), lost
        return lost.reason


def _echo(call: HostCall) -> Any:
    """A reserve gets a batch id, a sub-call its own prompt."""
    return 1 if call.name == "reserve" else call.payload.get("prompt", "?")


OpenSession = Callable[..., Any]


@pytest.fixture
def settings() -> Callable[..., ReplSettings]:
    def make(**changes: Any) -> ReplSettings:
        values: dict[str, Any] = {
            "depth": 1,
            "sub_call_chars": 20_000_000,
            "max_output_chars": 8192,
            "step_timeout_s": 20.0,
            "memory_mb": 256,
        }
        return ReplSettings(**(values | changes))

    return make


@pytest.fixture
async def open_session(settings: Callable[..., ReplSettings]) -> AsyncIterator[OpenSession]:
    """Opens a Session over what a user passes as context; all are closed at the end of the test."""
    sandbox = ProcessSandbox()
    opened: list[Repl] = []

    async def open_(context: Any = None, answer: Callable[[HostCall], Any] = _echo, **changes: Any) -> Session:
        repl = await sandbox.open(Corpus.of(context), settings(**changes))
        opened.append(repl)
        return Session(repl, answer)

    yield open_
    for repl in opened:
        await repl.close()


@pytest.fixture
def attach() -> Callable[[Repl], Session]:
    """A Session over a REPL that the test opened itself, and closes."""
    return lambda repl: Session(repl, _echo)


@pytest.fixture
def open_files() -> Callable[[], int]:
    return lambda: len(os.listdir("/proc/self/fd"))


@pytest.fixture
def children() -> Callable[[int], list[int]]:
    """The processes that a process has forked."""

    def of(pid: int) -> list[int]:
        found: list[int] = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                except (FileNotFoundError, ProcessLookupError):
                    continue
                if parent == pid:
                    found.append(int(entry.name))
        return found

    return of


@pytest.fixture
def session_processes(children: Callable[[int], list[int]]) -> Callable[[], list[int]]:
    """The processes below this one: the helper, holders and workers."""

    def below(pid: int) -> list[int]:
        return [each for child in children(pid) for each in (child, *below(child))]

    return lambda: below(os.getpid())


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Any]:
    """Waits for a condition that another process brings about; fails if it does not within ten seconds."""

    async def wait(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.005)

    return wait
