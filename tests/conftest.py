"""What tests of several parts share."""

from __future__ import annotations

import gc
import importlib.util
import logging
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import certifi
import filelock
import httpx
import hypothesis
import pytest
from _pytest.runner import runtestprotocol

from rlm_integrations.core.sandbox import Repl
from rlm_integrations.testing.sandbox_contract import OpenRepl, contract_settings, echo, until_true
from rlm_integrations.wire.settings import ReplSettings

from .forked_worker import COMPONENT_VARIABLE, IMPORTED, ForkedWorkers
from .programs import ENGINE, EVERYTHING, EndedProgram, ProgramParent, RunningProgram, program_environment

sys.path.append(str(Path(__file__).parents[1]))  # `benchmarks` and `evals` are no part of the package
# What the tests of a folder share says as much of a failure as they do.
pytest.register_assert_rewrite(*(f"tests.{each.name}" for each in Path(__file__).parent.iterdir() if each.is_dir()))

# A shell that runs the tests in the background, or `nohup`, has them ignored, and so would the programs that get them.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
# A busy machine is no fault: there are no deadlines. In CI a commit is tested, and not chance.
hypothesis.settings.register_profile("in CI", deadline=None, derandomize=True)
hypothesis.settings.register_profile("at hand", deadline=None, max_examples=30)
hypothesis.settings.load_profile("in CI" if os.environ.get("CI") else "at hand")


# No test meets an authority: a client that reads all that there are takes 30 ms for it.
_one_authority = tempfile.NamedTemporaryFile("w", suffix=".pem")  # noqa: SIM115 - for as long as tests run
_one_authority.write(re.search("-----BEGIN.+?-----END[^\n]+\n", certifi.contents(), re.DOTALL)[0])  # type: ignore[index]
_one_authority.flush()
os.environ["SSL_CERT_FILE"] = _one_authority.name


gc.disable()  # until all is collected: of what is imported until then next to nothing is garbage, and not looked for


class _Imported:
    """Is left out of garbage collections: tests that look for what is left would wait for it."""

    def __init__(self) -> None:
        self._modules = 0

    def pytest_collection_finish(self) -> None:
        self._leave_out()
        gc.enable()
        gc.set_threshold(10_000, 20, 10)  # thousands of short tests make more of what stays than of garbage

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_teardown(self) -> None:
        """Where a test has imported much, that is left out from then on."""
        if len(sys.modules) > self._modules + 50:
            gc.collect()
            self._leave_out()

    def _leave_out(self) -> None:
        gc.freeze()
        self._modules = len(sys.modules)


class _OneReport:
    """Of a test that passed the process that shows it is told once: pytest-xdist has six messages for each, and takes
    longer to send and read them than most tests take."""

    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        for report in runtestprotocol(item, log=False, nextitem=nextitem):
            if report.when == "call" or not report.passed:
                item.ihook.pytest_runtest_logreport(report=report)
        return True


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_Imported())
    option = config.option
    all_is_shown = option.verbose > 0 or option.durations is not None or option.xmlpath
    if hasattr(config, "workerinput") and not all_is_shown:
        config.pluginmanager.register(_OneReport())


@pytest.hookimpl(optionalhook=True, wrapper=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """One more than there are cores: for a third of its time a test waits for what it has started."""
    return (yield) + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config, specs: Sequence[Any]) -> None:
    """Processes that run tests are forks of the one that programs of tests are forks of: see `xdist_worker.py`."""
    parent = ProgramParent(EVERYTHING)
    config.add_cleanup(parent.close)
    for spec in specs:
        spec.python = shlex.join([sys.executable, str(Path(__file__).with_name("xdist_worker.py"))])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What runs in the sandbox `wasi` has its component, or is skipped.

    What runs on Ray comes first, so that one process does it all, and no other starts a cluster for a rest of it.
    """
    items.sort(key=lambda item: "ray" not in item.path.parts)
    for item in items:
        case = getattr(item, "callspec", None)
        if case is not None and case.params.get("sandbox") == "wasi":
            cast(pytest.Function, item).fixturenames.insert(0, "wasi_component")


Post = Callable[[BaseHTTPRequestHandler, bytes], None]
"""Answers one POST through its handler, given the body."""


class _Server(ThreadingHTTPServer):
    """One that waits for connections alone: `serve_forever` looks many times a second whether it is to end."""

    request_queue_size = 128  # the default of 5 resets connections that come at once

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self._ends = False
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while not self._ends:
            self.handle_request()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        return not self._ends

    def end(self) -> None:
        self._ends = True
        socket.create_connection(self.server_address[:2]).close()  # wakes it
        self._thread.join()
        self.server_close()


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """What is logged, from warnings on."""
    messages: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(record.getMessage())

    handler = Kept(logging.WARNING)
    logging.getLogger().addHandler(handler)
    yield messages
    logging.getLogger().removeHandler(handler)


@pytest.fixture
def handle_signal() -> Iterator[Callable[[int, Callable[[int, Any], Any]], None]]:
    """Sets the handler of a signal for the time of a test.

    Meanwhile nothing is collected: what a handler raises amid a destructor is lost, as everywhere in Python.
    """
    before: dict[int, Any] = {}

    def handle(number: int, handler: Callable[[int, Any], Any]) -> None:
        before[number] = signal.signal(number, handler)

    gc.disable()
    yield handle
    gc.enable()
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
async def http_clients() -> AsyncIterator[tuple[httpx.Client, httpx.AsyncClient]]:
    """Closed with the test. The frameworks' own stay open, LangChain's of a URL until it has seen 128 others."""
    with httpx.Client() as client:
        async with httpx.AsyncClient() as async_client:
            yield client, async_client


@pytest.fixture
def serve_posts() -> Iterator[Callable[[Post], str]]:
    """Starts a loopback HTTP server for the time of a test. Returns the base URL that an OpenAI client takes."""
    servers: list[_Server] = []

    def serve(post: Post) -> str:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # else a body waits 40 ms for the headers to be acknowledged

            def do_POST(self) -> None:
                post(self, self.rfile.read(int(self.headers["Content-Length"])))

            def log_message(self, format: str, *args: Any) -> None:
                pass

        servers.append(_Server(Handler))
        return f"http://127.0.0.1:{servers[-1].server_port}/v1"

    yield serve
    for server in servers:
        server.end()


@pytest.fixture(scope="session")
def program_parent() -> Iterator[Callable[..., ProgramParent]]:
    """The one parent of programs that import these modules."""
    parents: dict[tuple[str, ...], ProgramParent] = {}

    def of(*imported: str) -> ProgramParent:
        if imported not in parents:
            parents[imported] = ProgramParent(imported)
        return parents[imported]

    yield of
    for parent in parents.values():
        parent.close()


@pytest.fixture
def start_program(program_parent: Callable[..., ProgramParent]) -> Iterator[Callable[..., RunningProgram]]:
    """Starts the source of a program as `python -c` would, in a fork of a process that has imported the engine.

    With `everything` it has imported both frameworks, too, and with `imported` those modules instead. `warnings`,
    `fresh`, `whole_end` and `hash_seed` are as in `ProgramParent.start`. A program is killed at the end of the test.
    """
    running: list[RunningProgram] = []
    with ExitStack() as files:

        def start(
            source: str,
            *arguments: object,
            warnings: Sequence[str] | None = ("default",),
            everything: bool = False,
            imported: Sequence[str] = ENGINE,
            fresh: bool = False,
            whole_end: bool = False,
            hash_seed: int | None = None,
        ) -> RunningProgram:
            parent = program_parent(*(EVERYTHING if everything else imported))
            near, far = os.pipe()
            null = files.enter_context(open(os.devnull, "rb"))
            stderr = files.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8"))
            streams = [null.fileno(), far, stderr.fileno()]
            ends: dict[str, Any] = {"fresh": fresh, "whole_end": whole_end}
            options = ends | {"warnings": warnings, "hash_seed": hash_seed}
            env, cwd = program_environment(), Path.cwd()
            process = parent.start(source, ["-c", *arguments], streams, env=env, cwd=cwd, **options)
            os.close(far)
            stdout = files.enter_context(open(near, encoding="utf-8"))
            running.append(RunningProgram(process, stdout, stderr))
            return running[-1]

        yield start
        for program in running:
            program.process.kill()


@pytest.fixture
def run_program(start_program: Callable[..., Any]) -> Callable[..., EndedProgram]:
    """The same, to its end."""
    return lambda *arguments, **options: start_program(*arguments, **options).end()


@pytest.fixture
def settings() -> Callable[..., ReplSettings]:
    return contract_settings


@pytest.fixture
def attach() -> Callable[..., OpenRepl]:
    """An OpenRepl over one that the test opened and closes; its calls are echoed, or answered by `answer`."""
    return lambda repl, answer=echo: OpenRepl(repl, answer)


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Any]:
    """Waits for a condition that another process brings about; fails if it does not within ten seconds."""

    return until_true


@pytest.fixture
def nothing_rests() -> Iterator[None]:
    """No test leaves a REPL of a session behind, once threads have ended that may still hold the session."""
    yield
    from rlm_integrations.core.session.idle_repls import idle_repls

    end = time.monotonic() + 10
    while idle_repls._idle and time.monotonic() < end:
        gc.collect()
        with idle_repls._changed:
            idle_repls._changed.wait_for(lambda: not idle_repls._idle, 0.01)
    assert not idle_repls._idle


@pytest.fixture(scope="module")
def resting() -> Iterator[list[Repl]]:
    """The REPL that a test has left for the next of its module, if any."""
    kept: list[Repl] = []
    yield kept
    for repl in kept:
        repl.end()


@pytest.fixture(scope="session")
def wasi_component(program_parent: Callable[..., ProgramParent]) -> Iterator[None]:
    """The component of the WASI sandbox as the sources have it, compiled: both are kept for the next time.

    Its workers are forks: see `forked_worker.py`, and `workers_of_their_own`.
    """
    pytest.importorskip("wasmtime", reason="wasmtime is not installed")
    root = Path(__file__).parents[1]
    spec = importlib.util.spec_from_file_location("release_component", root / "release" / "component.py")
    assert spec is not None
    assert spec.loader is not None
    release = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(release)
    from rlm_integrations.sandboxes.wasi.cache import compiled_component

    with filelock.FileLock(Path(tempfile.gettempdir(), f"rlm-component-{os.getuid()}.lock")):
        if not release.is_fresh():
            if importlib.util.find_spec("componentize_py") is None:
                pytest.skip("componentize-py is not installed, which builds the component")
            release.build(preset=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            compiled = compiled_component()
    from rlm_integrations.sandboxes.wasi import worker_process
    from rlm_integrations.sandboxes.wasi.spare import spares

    with pytest.MonkeyPatch.context() as patch:
        with patch.context() as started:
            started.setenv(COMPONENT_VARIABLE, str(compiled))
            parent = program_parent(*IMPORTED)
        patch.setattr(worker_process, "subprocess", ForkedWorkers(parent))
        yield
        spares.end()


@pytest.fixture
def workers_of_their_own(wasi_component: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Workers of the WASI sandbox are started as users have them."""
    from rlm_integrations.sandboxes.wasi import worker_process
    from rlm_integrations.sandboxes.wasi.spare import spares

    spares.end()
    monkeypatch.setattr(worker_process, "subprocess", subprocess)
    yield
    spares.end()


@dataclass(frozen=True)
class ChildScript:
    """A root LM that asks two children, each of which cites, and asks a sub-LM: what every face has to show."""

    texts: dict[str, str] = field(
        default_factory=lambda: {f"plot-{n}": f"Plot {n}.\n" + "Nothing of note.\n" * 300 for n in range(20)}
    )
    root_code: str = """
answers = rlm_query_batched([("How many?", context[:3]), ("How many?", ["plot-7"])])
answer["content"] = ", ".join(answers)
answer["ready"] = True
"""
    child_code: str = """
cite("Plot", context[0]["id"])
answer["content"] = f"{len(context)} of " + llm_query("plain")
answer["ready"] = True
"""
    answer: str = "3 of plain, 1 of plain"
    sub_calls: int = 4
    cited: tuple[str, ...] = ("plot-0", "plot-7")

    def sub_reply(self, messages: Sequence[Any]) -> str:
        """As the root LM of a child, and as its sub-LM."""
        is_root = messages[0].content.startswith("You answer a question about a corpus")
        return f"```repl{self.child_code}```" if is_root else "plain"


@pytest.fixture
def child_script() -> ChildScript:
    return ChildScript()
