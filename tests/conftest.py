"""What tests of several parts share."""

from __future__ import annotations

import gc
import importlib.util
import json
import os
import re
import select
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
from typing import IO, Any, cast

import certifi
import filelock
import httpx
import hypothesis
import pytest

from rlm_integrations.testing.sandbox_contract import OpenRepl, contract_settings, echo, until_true
from rlm_integrations.wire.settings import ReplSettings

from .forked_worker import IMPORTED, ForkedWorkers

sys.path.append(str(Path(__file__).parents[1]))  # `benchmarks` and `evals` are no part of the package

# A shell that runs the tests in the background, or `nohup`, has them ignored, and so would the programs that get them.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
hypothesis.settings.register_profile("without deadlines", deadline=None)  # a busy machine is no fault
hypothesis.settings.load_profile("without deadlines")


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

    def pytest_sessionfinish(self) -> None:
        """What tests left behind is looked for at the end, as ever."""
        gc.unfreeze()

    def _leave_out(self) -> None:
        gc.freeze()
        self._modules = len(sys.modules)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_Imported())


@pytest.hookimpl(optionalhook=True, wrapper=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """One more than there are cores: for a third of its time a test waits for what it has started."""
    return (yield) + 1


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


class ProgramParent:
    """Starts programs as forks of one process that has imported these modules: see `program_parent.py`."""

    def __init__(self, imported: Sequence[str]) -> None:
        self._requests, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        options = [part for option in ("error", *FRAMEWORKS_OWN) for part in ("-W", option)]
        script = str(Path(__file__).with_name("program_parent.py"))
        command = [sys.executable, "-P", *options, script, *imported]
        self._parent = subprocess.Popen(command, stdin=far, env=program_environment())
        far.close()

    def start(
        self,
        source: str,
        argv: Sequence[object],
        streams: Sequence[int],
        *,
        env: dict[str, str],
        cwd: Path,
        warnings: Sequence[str] | None = None,
        closed: Sequence[int] = (),
        new_session: bool = False,
        fresh: bool = False,
        hash_seed: int | None = None,
    ) -> Program:
        """`streams` are descriptors for its stdin, stdout and stderr; it begins without those in `closed`.

        `warnings` are what an interpreter gets as -W; None leaves those of the parent: all are errors. One that is
        `fresh` starts a helper when it needs one, and ends as any interpreter: see `program_parent.py`. Others find
        one of this `hash_seed` running, too, which REPLs of runs with a journal need.
        """
        asked = {
            "source": source,
            "argv": [*map(str, argv)],
            "env": env,
            "cwd": str(cwd),
            "warnings": warnings,
            "closed": closed,
            "new_session": new_session,
            "fresh": fresh,
            "hash_seed": hash_seed,
        }
        report, far = os.pipe()
        socket.send_fds(self._requests, [json.dumps(asked).encode()], [*streams, far])
        os.close(far)
        return Program(report)

    def close(self) -> None:
        self._requests.close()
        self._parent.wait(30)


class Program:
    """One that runs."""

    def __init__(self, report: int) -> None:
        self._report = report
        self._ended: int | None = None
        self.pid = int(os.read(report, 12))

    def wait(self, seconds: float = 60) -> int:
        """Its exit code. Raises TimeoutError, and then it is killed."""
        if self._ended is None:
            in_time = self._has_ended_within(seconds)
            if not in_time:
                os.kill(self.pid, signal.SIGKILL)
            self._ended = int(os.read(self._report, 12))
            os.close(self._report)
            if not in_time:
                raise TimeoutError(f"the program had not ended after {seconds} s")
        return self._ended

    def kill(self) -> None:
        """Ends it, if it has not ended."""
        if not self.has_ended():
            os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def has_ended(self) -> bool:
        return self._ended is not None or self._has_ended_within(0)

    def _has_ended_within(self, seconds: float) -> bool:
        return bool(select.select([self._report], [], [], seconds)[0])


FRAMEWORKS_OWN = [  # warnings of LlamaIndex's RAG engine and agents about themselves
    "ignore:There is no current event loop:DeprecationWarning",
    "ignore:The `__fields:DeprecationWarning",
    "ignore:Accessing the 'model_:DeprecationWarning",
]
ENGINE = (
    "rlm_integrations.engine",
    "rlm_integrations.sandboxes.process.sandbox",
    "rlm_integrations.testing",
)
EVERYTHING = (
    *ENGINE,
    "langchain.agents",
    "langchain_openai",
    "langgraph.graph",
    "llama_index.llms.openai_like",
    "rlm_integrations.cli.app",
    "rlm_integrations.testing.langchain",
    "rlm_integrations.testing.llama_index",
)


def program_environment(**changes: str) -> dict[str, str]:
    """Without what would choose a model, or the width of what is written."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "RLM_", "COLUMNS"))}
    return kept | {"PYTHONPATH": os.getcwd()} | changes


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


@dataclass
class EndedProgram:
    stdout: str
    stderr: str
    returncode: int


@dataclass
class RunningProgram:
    """A program whose stdout can be read while it runs."""

    process: Program
    stdout: IO[str]
    stderr: IO[str]

    def end(self, seconds: float = 60) -> EndedProgram:
        """Waits for it. It is killed if that takes longer."""
        alarm = threading.Timer(seconds, self.process.kill)
        alarm.start()
        printed = self.stdout.read()
        alarm.cancel()
        alarm.join()
        returncode = self.process.wait()
        self.stderr.seek(0)
        return EndedProgram(printed, self.stderr.read(), returncode)


@pytest.fixture
def start_program(program_parent: Callable[..., ProgramParent]) -> Iterator[Callable[..., RunningProgram]]:
    """Starts the source of a program as `python -c` would, in a fork of a process that has imported the engine.

    With `everything` it has imported both frameworks, too. `warnings`, `fresh` and `hash_seed` are as in
    `ProgramParent.start`. A program is killed at the end of the test.
    """
    running: list[RunningProgram] = []
    with ExitStack() as files:

        def start(
            source: str,
            *arguments: object,
            warnings: Sequence[str] | None = ("default",),
            everything: bool = False,
            fresh: bool = False,
            hash_seed: int | None = None,
        ) -> RunningProgram:
            parent = program_parent(*(EVERYTHING if everything else ENGINE))
            near, far = os.pipe()
            null = files.enter_context(open(os.devnull, "rb"))
            stderr = files.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8"))
            streams = [null.fileno(), far, stderr.fileno()]
            options: dict[str, Any] = {"warnings": warnings, "fresh": fresh, "hash_seed": hash_seed}
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
    assert not idle_repls._idle


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
            compiled_component()
    from rlm_integrations.sandboxes.wasi import worker_process
    from rlm_integrations.sandboxes.wasi.spare import spares

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker_process, "subprocess", ForkedWorkers(program_parent(*IMPORTED)))
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
