"""REPLs of the process sandbox and of WASI, answered by a scripted host; and what is left of them."""

from __future__ import annotations

import gc
import os
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.sandbox import Repl
from rlm_integrations.sandboxes.process.helper_client import helper_client
from rlm_integrations.sandboxes.process.sandbox import ProcessSandbox
from rlm_integrations.sandboxes.wasi import repl as wasi_repl
from rlm_integrations.sandboxes.wasi.sandbox import WasiSandbox
from rlm_integrations.sandboxes.wasi.spare import spares
from rlm_integrations.wire.settings import ReplSettings

Attach = Callable[..., Any]
ReplOpener = Callable[..., Any]


@pytest.fixture
async def open_repl(settings: Callable[..., ReplSettings], attach: Attach) -> AsyncIterator[ReplOpener]:
    """Opens an OpenRepl over what a user passes as context; all are closed at the end of the test."""
    sandbox = ProcessSandbox()
    opened: list[Repl] = []

    async def open_(context: Any = None, **changes: Any) -> Any:
        answer = {"answer": changes.pop("answer")} if "answer" in changes else {}
        repl = await sandbox.open(Corpus.of(context), settings(**changes))
        opened.append(repl)
        return attach(repl, **answer)

    yield open_
    for repl in opened:
        await repl.close()


@pytest.fixture
async def open_wasi(settings: Callable[..., ReplSettings], attach: Attach) -> AsyncIterator[ReplOpener]:
    """The same in the WASI sandbox."""
    opened: list[Repl] = []

    async def open_(context: Any = None, **changes: Any) -> Any:
        answer = {"answer": changes.pop("answer")} if "answer" in changes else {}
        opened.append(await WasiSandbox().open(Corpus.of(context), settings(**changes)))
        return attach(opened[-1], **answer)

    yield open_
    for repl in opened:
        await repl.close()


@pytest.fixture
def short_wasi_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Code that no interrupt reaches is killed soon: it spins until then."""
    monkeypatch.setattr(wasi_repl, "INTERRUPT_GRACE_S", 0.2)


@pytest.fixture
def alive() -> Callable[[int], bool]:
    """Whether a process runs; one that has ended and was not reaped does not."""

    def is_alive(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except (FileNotFoundError, ProcessLookupError):
            return False

    return is_alive


@pytest.fixture
def open_files() -> Callable[[], set[str]]:
    """What this process has open: each descriptor with what it stands for, which no later file has."""
    spares.end()  # one that an earlier test left would end of itself some time

    def read() -> set[str]:
        gc.collect()  # holders of corpora that earlier tests left behind end with these
        found: set[str] = set()
        for descriptor in os.listdir("/proc/self/fd"):
            with suppress(FileNotFoundError):  # the one of the listing itself
                found.add(f"{descriptor} {os.readlink(f'/proc/self/fd/{descriptor}')}")
        return found

    return read


@pytest.fixture
def until_closed(until: Callable[..., Any], open_files: Callable[[], set[str]]) -> Callable[[set[str]], Any]:
    """Waits until no file is open that was not before. (What an earlier test left open may be closed meanwhile.)"""

    async def wait(before: set[str]) -> None:
        with suppress(TimeoutError):  # the assertion names what is open
            await until(lambda: open_files() <= before)
        assert open_files() <= before

    return wait


@pytest.fixture
def children() -> Callable[[int], list[int]]:
    """The processes that a process has forked."""

    def of(pid: int) -> list[int]:
        found: list[int] = []
        with suppress(FileNotFoundError, ProcessLookupError):
            for thread in Path(f"/proc/{pid}/task").iterdir():
                with suppress(FileNotFoundError, ProcessLookupError):
                    found += map(int, (thread / "children").read_text().split())
        return found

    return of


@pytest.fixture
def holders(children: Callable[[int], list[int]]) -> Callable[[], list[int]]:
    """The processes that hold documents. The helper begins anew: it keeps no spare before it has forked a worker."""
    client = helper_client()
    client.shut_down()
    return lambda: [] if client._helper is None else children(client._helper.process.pid)


@pytest.fixture
def repl_processes(children: Callable[[int], list[int]]) -> Callable[[], list[int]]:
    """The processes below this one: the helper, holders and workers."""

    def below(pid: int) -> list[int]:
        return [each for child in children(pid) for each in (child, *below(child))]

    return lambda: below(os.getpid())
