"""What a REPL takes of its machine: commands, each of which may be billed, and no time between steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.deepagents import BackendSandbox
from rlm_integrations.sandboxes.shell import process
from rlm_integrations.testing.sandbox_contract import OpenRepl, contract_settings, until_true

from .conftest import relay_of, worker_of
from .unreliable import Unreliable

pytest.importorskip("deepagents", reason="deepagents is not installed: pip install 'rlm-integrations[deepagents]'")


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that brings a step waits for its news however slow this machine is."""
    monkeypatch.setattr(process, "_SOON_S", 8.0)


@pytest.fixture
def counted(backend: Any, warm_python: str) -> tuple[BackendSandbox, Unreliable]:
    recorded = Unreliable(backend)
    return BackendSandbox(recorded, python=warm_python, unconfined=True), recorded  # pyright: ignore[reportArgumentType]


def take(backend: Unreliable) -> int:
    """How many commands there were since."""
    commands, backend.commands = len(backend.commands), []
    return commands


async def test_a_step_is_one_command_and_a_call_two_more(
    counted: tuple[BackendSandbox, Unreliable], patient: None
) -> None:
    sandbox, backend = counted
    await (await sandbox.open(Corpus.of("text"), contract_settings())).close()
    take(backend)
    live = OpenRepl(await sandbox.open(Corpus.of("text"), contract_settings()))
    assert take(backend) == 1
    await live.run("x = 1")
    await live.run("y = 2")
    assert take(backend) == 2
    await live.run("z = llm_query('a')")
    assert take(backend) == 3
    assert await live.value("print(x, y, z)") == "1 2 a"
    await live.repl.close()
    assert take(backend) == 2


async def test_a_step_that_has_to_be_brought_again_is_read_once(backend: Any, warm_python: str) -> None:
    """Of what goes as a file every second one arrives as its half."""
    unreliable: Any = Unreliable(backend, "cuts")
    sandbox = BackendSandbox(unreliable, python=warm_python, unconfined=True)
    live = OpenRepl(await sandbox.open(Corpus.of("text"), contract_settings()))
    files = len(unreliable.files)
    for n in range(4):
        assert await live.value(f"{n} + 1  # {'long ' * 12_000}") == str(n + 1)
    assert len(unreliable.files) > files + 4
    await live.repl.close()


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


SPINS = """
import threading
def spin():
    global turns
    while not ends:
        turns += 1
turns, ends = 0, False
threading.Thread(target=spin).start()
"""


async def test_what_a_step_left_behind_rests_with_it(warm: BackendSandbox) -> None:
    live = OpenRepl(await warm.open(Corpus.of("text"), contract_settings()))
    worker = worker_of(live.repl)
    await until_true(lambda: state(worker) == "T")
    await live.run(SPINS)
    await until_true(lambda: state(worker) == "T")
    seen = int(await live.value("turns"))
    assert int(await live.value(f"import time\nwhile turns == {seen}: time.sleep(0.001)\nturns")) > seen
    await live.run("ends = True")
    await until_true(lambda: state(worker) == "T")
    await live.repl.close()


async def test_an_interrupt_is_of_its_step_alone(warm: BackendSandbox) -> None:
    live = OpenRepl(await warm.open(Corpus.of("text"), contract_settings(step_timeout_s=0.2)))
    for _ in range(2):
        assert "0.2 s, the limit of a step" in await live.error("import time\nwhile True: time.sleep(0.01)")
        assert await live.value("1 + 1") == "2"
    await live.repl.close()


async def test_the_time_of_a_step_begins_when_it_is_there(warm: BackendSandbox, patient: None) -> None:
    """Not when the command that brought it is over, which then has the call."""
    live = OpenRepl(await warm.open(Corpus.of("text"), contract_settings(step_timeout_s=0.5)))
    error = await live.error("import time\ntime.sleep(0.3)\nllm_query('a')\ntime.sleep(0.3)\n")
    assert "0.5 s, the limit of a step" in error
    await live.repl.close()


RAW = """
import os, socket
for channel in range(3, 64):
    try:
        if socket.socket(fileno=os.dup(channel)).family == socket.AF_UNIX:
            break
    except OSError:
        pass
os.write(channel, bytes.fromhex({data!r}))
"""


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"\xff\xff\xff\xff", "a frame of 4,294,967,295 bytes"),
        (b'\0\0\0\x08["done"]', "a frame that is no object"),
        (b'\0\0\0\x08{"done":', "a frame that is not JSON"),
        (b'\0\0\0\x0c{"t":"done"}', "a malformed end of a step"),
    ],
)
async def test_what_the_code_says_in_place_of_its_worker_ends_the_repl(
    warm: BackendSandbox, body: bytes, words: str
) -> None:
    live = OpenRepl(await warm.open(Corpus.of("text"), contract_settings()))
    repl: Any = live.repl
    relay, folder = relay_of(repl), Path(repl.folder)
    assert words in await live.death(RAW.format(data=body.hex()))
    await repl.close()
    await until_true(lambda: not folder.exists() and not Path(f"/proc/{relay}").exists())
