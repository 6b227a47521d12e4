"""How tests are run, and the smaller things that several parts share; the larger ones are in `fixtures/`."""

from __future__ import annotations

import gc
import logging
import os
import re
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import certifi
import httpx
import hypothesis
import pytest
from _pytest.runner import runtestprotocol

from rlm_integrations.core.sandbox import Repl
from rlm_integrations.testing.sandbox_contract import OpenRepl, contract_settings, echo, until_true
from rlm_integrations.wire.settings import ReplSettings

from .programs import EVERYTHING, ProgramParent

sys.path.append(str(Path(__file__).parents[1]))  # `benchmarks` and `evals` are no part of the package
# What the tests of a folder share says as much of a failure as they do.
pytest.register_assert_rewrite(*(f"tests.{each.name}" for each in Path(__file__).parent.iterdir() if each.is_dir()))

pytest_plugins = [
    f"tests.fixtures.{each}"
    for each in ("child_script", "garbage", "loopback_server", "started_programs", "wasi_component")
]

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
    """What runs on Ray comes first, so that one process does it all, and no other starts a cluster for a rest of it."""
    items.sort(key=lambda item: "ray" not in item.path.parts)


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
