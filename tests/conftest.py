"""What tests of several parts share."""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import hypothesis
import pytest

from rlm_integrations.core.sandbox import Repl
from rlm_integrations.wire.calls import Call, HostCall, Reserve
from rlm_integrations.wire.settings import ReplSettings
from rlm_integrations.wire.steps import ReplLost, StepDone

# A shell that runs the tests in the background, or `nohup`, has them ignored, and so would the programs that get them.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
hypothesis.settings.register_profile("without deadlines", deadline=None)  # a busy machine is no fault
hypothesis.settings.load_profile("without deadlines")


def pytest_collection_finish() -> None:
    """Leave what is imported out of later garbage collections: tests that look for what is left would wait for them."""
    gc.collect()
    gc.freeze()


Post = Callable[[BaseHTTPRequestHandler, bytes], None]
"""Answers one POST through its handler, given the body."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # the default of 5 resets connections that come at once


@pytest.fixture
def serve_posts() -> Iterator[Callable[[Post], str]]:
    """Starts a loopback HTTP server for the time of a test. Returns the base URL that an OpenAI client takes."""
    servers: list[tuple[_Server, threading.Thread]] = []

    def serve(post: Post) -> str:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                post(self, self.rfile.read(int(self.headers["Content-Length"])))

            def log_message(self, format: str, *args: Any) -> None:
                pass

        server = _Server(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}/v1"

    yield serve
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class OpenRepl:
    """A REPL whose host calls are answered by `answer`; None leaves a call open."""

    repl: Repl
    answer: Callable[[Call], Any]
    calls: list[HostCall] = field(default_factory=list)

    async def run(self, *blocks: str, seconds_left: float = float("inf")) -> StepDone | ReplLost:
        """The end of a step."""
        async for event in self.repl.step(blocks, seconds_left):
            if not isinstance(event, HostCall):
                return event
            self.calls.append(event)
            value = self.answer(event.call)
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


def _echo(call: Call) -> Any:
    """A reserve gets a batch id, a sub-call its own prompt."""
    return 1 if isinstance(call, Reserve) else getattr(call, "prompt", "?")


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
def attach() -> Callable[..., OpenRepl]:
    """An OpenRepl over one that the test opened and closes; its calls are echoed, or answered by `answer`."""
    return lambda repl, answer=_echo: OpenRepl(repl, answer)


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Any]:
    """Waits for a condition that another process brings about; fails if it does not within ten seconds."""

    async def wait(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.005)

    return wait
