from __future__ import annotations

import asyncio
import sys
import threading
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from json import dumps, loads  # model code in this process may spoil the module
from typing import Any

import pytest

from rlm_integrations.repl.host_port import HostRefusalError
from rlm_integrations.repl.interpreter import Interpreter
from rlm_integrations.wire.calls import Call
from rlm_integrations.wire.settings import ReplSettings
from rlm_integrations.wire.steps import AnswerState, CodeError, read_step_done
from rlm_integrations.wire.typed_maps import read_map


@dataclass
class ScriptedHost:
    """A host in the same process: answers by host function, and remembers what it was asked and handed."""

    answers: dict[str, Callable[[dict[str, Any]], Any]] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    head: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def call(self, call: Call) -> Any:
        (reply,) = self.call_all([call])
        if isinstance(reply, HostRefusalError):
            raise reply
        return reply

    def call_all(self, calls: Sequence[Call]) -> list[Any]:
        asked = [(call.function, call.to_payload()) for call in calls]
        with self.lock:
            self.calls += asked
        return [self.answers[function](payload) for function, payload in asked]

    def print_head(self, text: str) -> None:
        self.head.append(text)

    def asked(self, name: str) -> list[dict[str, Any]]:
        return [payload for called, payload in self.calls if called == name]


@dataclass
class Outcome:
    """A step's result, its output joined."""

    output: str
    cut_chars: int
    error: CodeError | None
    answer: AnswerState
    variables: list[str]


class Repl:
    """A session and its host."""

    def __init__(self, context: Any, host: ScriptedHost, settings: ReplSettings) -> None:
        self.interpreter = Interpreter(context, host, settings)
        self.host, self.settings = host, settings

    def step(self, *blocks: str) -> Outcome:
        self.host.head.clear()
        done = self.interpreter.run(blocks)
        assert read_step_done(loads(dumps(done.to_json())), len(blocks), 1 << 53) == done
        output = "".join(self.host.head) + done.output.tail
        return Outcome(output, done.output.cut_chars, done.error, done.answer, list(done.variables))

    def value(self, *blocks: str) -> str:
        """What a step shows that must not fail."""
        outcome = self.step(*blocks)
        assert outcome.error is None, outcome.error
        return outcome.output.removesuffix("\n")

    def failure(self, *blocks: str) -> str:
        """The message of a step that must fail."""
        outcome = self.step(*blocks)
        assert outcome.error is not None, outcome.output
        return outcome.error.message


def shout(payload: dict[str, Any]) -> dict[str, Any]:
    """A host that finds for each item of a map what it says, in capitals."""
    values = [[item.index, item.text.upper()] for item in read_map(payload["sent"])[1]]
    return {"map": payload["map"] or 1, "values": values, "left": []}


@pytest.fixture
def host() -> ScriptedHost:
    batches = iter(range(1, 1_000))
    return ScriptedHost(
        {
            "llm_map": shout,
            "map_left": lambda payload: None,
            "llm_query": lambda payload: f"reply to {payload['prompt']}",
            "reserve": lambda payload: next(batches),
            "cite": lambda payload: None,
            "retrieve": lambda payload: [],
            "tool": lambda payload: payload,
        }
    )


@pytest.fixture
def open_repl(host: ScriptedHost) -> Iterator[Callable[..., Repl]]:
    """Opens sessions over a context; puts back what they take over in this process."""
    streams = {name: getattr(sys, name) for name in ("stdin", "stdout", "stderr")}
    originals = {name: getattr(sys, name) for name in ("__stdin__", "__stdout__", "__stderr__")}
    main: types.ModuleType = sys.modules["__main__"]

    def open_one(context: Any = None, **settings: Any) -> Repl:
        bounds: dict[str, Any] = {"depth": 1, "sub_call_chars": 10_000, "max_output_chars": 8_192}
        limits = {"step_timeout_s": 20.0, "memory_mb": 256}  # are for the sandbox to keep
        return Repl(context, host, ReplSettings(**bounds | limits | settings))

    yield open_one
    sys.modules["__main__"] = main
    for name, stream in (streams | originals).items():
        setattr(sys, name, stream)
    asyncio.set_event_loop(None)


@pytest.fixture
def repl(open_repl: Callable[..., Repl]) -> Repl:
    """A session without a corpus."""
    return open_repl()


@pytest.fixture
def documents() -> list[dict[str, Any]]:
    return [
        {
            "id": "lease-1",
            "text": "Lease of plot 7.\nIt ends on\n1 March 2010.\nRent: 40 marks.",
            "metadata": {"year": 2009},
        },
        {
            "id": "lease-2",
            "text": "Lease of plot 9.\nIt ends on 5 May 2012.\nRent: 55 marks.",
            "metadata": {"year": 2011},
        },
        {"id": "note", "text": "Plot 7 was lost to the river.", "metadata": {}},
    ]


@pytest.fixture
def library(open_repl: Callable[..., Repl], documents: list[dict[str, Any]]) -> Repl:
    """A session over three documents."""
    return open_repl(documents)
