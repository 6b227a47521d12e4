"""Whatever the connection does, each call is made once and nothing of a step is lost, or all of it is, in words."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlm_integrations import RLMEngine
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.deepagents import BackendSandbox
from rlm_integrations.sandboxes.shell import exchange, install, process
from rlm_integrations.testing import ScriptedModel
from rlm_integrations.testing.sandbox_contract import OpenRepl, contract_settings, echo, until_true
from rlm_integrations.wire.steps import ReplLost, StepDone

from .conftest import relay_of
from .unreliable import Unreliable

pytest.importorskip("deepagents", reason="deepagents is not installed: pip install 'rlm-integrations[deepagents]'")

LONG = 60_000  # characters: more than a command carries either way

Over = Callable[[Any], BackendSandbox]


@pytest.fixture
def over(warm_python: str) -> Over:
    return lambda backend: BackendSandbox(backend, python=warm_python, unconfined=True)


@pytest.mark.parametrize("fault", ["loses commands", "loses answers", "cuts", "slow", "twice"])
async def test_a_repl_over_a_bad_connection(backend: Any, over: Over, fault: str) -> None:
    repl = await over(Unreliable(backend, fault)).open(Corpus.of("a" * 1_000), contract_settings())
    live = OpenRepl(repl, lambda call: "x" * LONG if call.prompt == "long" else echo(call))
    try:
        assert await live.value("n = len(context); n") == "1000"
        assert await live.value("[llm_query(str(i)) for i in range(3)]") == "['0', '1', '2']"
        assert await live.value("len(llm_query('long'))") == str(LONG)
        assert await live.value(f"len(llm_query('y' * {LONG})), n") == f"({LONG}, 1000)"
        assert len(live.calls) == 5
    finally:
        await repl.close()


async def test_a_cut_connection_loses_the_repl_in_words(
    backend: Any, over: Over, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "LOST_S", 0.5)
    unreliable = Unreliable(backend)
    repl = await over(unreliable).open(Corpus.of("text"), contract_settings())

    def cut(_: Any) -> None:
        unreliable.cut_off = True

    end = await repl.step(["print('before')\nllm_query('hi')"], cut)
    assert isinstance(end, ReplLost)
    assert "it was out of reach for 0.5 s: ConnectionRe" in end.reason
    assert end.output.head == "before\n"
    unreliable.cut_off = False
    await repl.close()


async def test_the_run_goes_on_in_a_new_repl(backend: Any, over: Over, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "LOST_S", 0.5)
    unreliable = Unreliable(backend)

    def cut(_: Any) -> str:
        unreliable.cut_off = True
        return "cut"

    def mend(messages: Any) -> str:
        unreliable.cut_off = False
        assert "out of reach" in str(messages[-1])
        return "```repl\nanswer['content'] = str(len(context)); answer['ready'] = True\n```"

    root = ScriptedModel(["```repl\nllm_query('hi')\nx = 1\n```", mend])
    result = await RLMEngine(root, sub_llm=ScriptedModel([cut]), sandbox=over(unreliable)).arun(
        "How long?", "a" * 9_000
    )
    assert result.answer == "9000"
    assert result.trace.isolation["confinement"] == "none: unconfined=True was passed"


async def test_a_relay_that_is_killed_is_missed_at_once(backend: Any, over: Over) -> None:
    repl: Any = await over(backend).open(Corpus.of("text"), contract_settings())
    os.kill(relay_of(repl), signal.SIGKILL)
    end = await repl.step(["1"], lambda call: None)
    assert isinstance(end, ReplLost)
    assert end.reason == "it is not there any more: it was ended, or its machine began anew"
    await repl.close()


async def test_a_repl_that_nobody_asks_for_ends_by_itself(
    backend: Any, over: Over, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "SILENCE_S", 0.5)
    monkeypatch.setattr(process, "HEARTBEAT_S", 1_000.0)
    repl: Any = await over(backend).open(Corpus.of("text"), contract_settings())
    folder = Path(repl.folder)
    await until_true(lambda: not folder.exists())
    assert isinstance(await repl.step(["1"], lambda call: None), ReplLost)
    await repl.close()


async def test_a_closed_repl_leaves_nothing(backend: Any, over: Over) -> None:
    repl: Any = await over(backend).open(Corpus.of("text"), contract_settings())
    folder, relay = Path(repl.folder), relay_of(repl)
    code = "import subprocess\nsubprocess.Popen(['sleep', '100']).pid"
    end = await repl.step([code], lambda call: None)
    assert isinstance(end, StepDone)
    started = int(end.output.head)
    await repl.close()
    await until_true(lambda: not folder.exists() and not any(runs(pid) for pid in (relay, started)))
    assert not list(folder.parent.glob(f"{folder.name}*"))


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_the_worker_is_brought_once_and_secrets_never(
    backend: Any, over: Over, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-of-this-program")
    recorded = Unreliable(backend)
    sandbox = over(recorded)
    for _ in range(2):
        repl = await sandbox.open(Corpus.of("text"), contract_settings())
        assert isinstance(await repl.step(["1"], lambda call: None), StepDone)
        await repl.close()
    assert len([data for _, data in recorded.files if len(data) > 50_000]) <= 1
    sent = "".join(recorded.commands).encode() + b"".join(data for _, data in recorded.files)
    assert b"sk-secret" not in sent
