"""Which run of the journal a call is, where that is not plain: names, two blind runs, hashes alone, a lost claim."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rlm_integrations import InvalidArgumentError, Journal, Message, RLMEngine, RunError, Twice
from rlm_integrations.core.calls.threads import RunThreads
from rlm_integrations.core.journal.claims import CallIdentity
from rlm_integrations.core.journal.run_journal import RunJournal
from rlm_integrations.core.session.memory import SessionMemory
from rlm_integrations.testing import ScriptedModel

TEXT = "Nothing of note. " * 500


class Root:
    """A root LM that gives another answer each time."""

    def __init__(self) -> None:
        self.asked = 0

    def reply(self, messages: Sequence[Message]) -> str:
        self.asked += 1
        return f"```repl\nanswer['content'] = 'answer {self.asked}'\nanswer['ready'] = True\n```"

    def engine(self, journal: Any, **options: Any) -> RLMEngine:
        return RLMEngine(ScriptedModel(always=self.reply), journal=journal, **options)


RECONCILED = """
import json, sys
from rlm_integrations import RLMEngine, Twice
from rlm_integrations.core.session.memory import SessionMemory
from rlm_integrations.testing import ScriptedModel

asked = []

def root(messages):
    asked.append(messages)
    content = f"answer {len(asked)}" if len(asked) < 3 else json.dumps({"verdict": "second", "why": "It says so."})
    return f"```repl\\nanswer['content'] = {content!r}\\nanswer['ready'] = True\\n```"

def told(folder, run_id):
    asked.clear()
    engine = RLMEngine(ScriptedModel(always=root), journal=f"{folder}/of {run_id}", verify=Twice())
    result = engine.run("?", "Nothing of note. " * 500, run_id=run_id or None)
    return [result.answer, result.agreement, len(asked), result.trace.paid_usage.total_tokens > 0]

if __name__ == "__main__":
    print(json.dumps([told(sys.argv[1], run_id) for run_id in sys.argv[2:]]))
"""
NAMES = ["", "monday"]


@pytest.fixture(scope="module")
def reconciled(empty_journal: Any, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, list[Any]]]:
    """What came of a run under each name, over a journal of its own, in this process and then in another.

    That is an interpreter of its own: a fork has the keys of its parent. To start one takes longer than the runs.
    """
    folder = tmp_path_factory.mktemp("reconciled")
    for name in NAMES:
        shutil.copy(empty_journal.path, folder / f"of {name}")
    command = [sys.executable, "-c", RECONCILED, str(folder), *NAMES]
    here: dict[str, Any] = {}
    exec(RECONCILED, here)
    first = {name: here["told"](folder, name) for name in NAMES}
    again = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return [first, dict(zip(NAMES, again, strict=True))]


@pytest.mark.parametrize("run_id", NAMES)
def test_a_run_that_reconciled_two_is_the_same_in_another_process(
    reconciled: list[dict[str, list[Any]]], run_id: str
) -> None:
    first, again = reconciled
    assert first[run_id] == ["answer 2", "reconciled", 3, True]
    assert again[run_id] == ["answer 2", "reconciled", 0, False]


@pytest.mark.filterwarnings("ignore:.*differ:RuntimeWarning")
async def test_the_second_of_two_blind_runs_takes_no_name_that_another_run_may_have(path: Path) -> None:
    root = Root()
    await root.engine(path).arun("?", "another text", run_id="monday 2")
    both = await root.engine(path, verify=Twice(reconcile=False)).arun("?", TEXT, run_id="monday")
    assert both.answers == ("answer 2", "answer 3")
    again = await root.engine(path, verify=Twice(reconcile=False)).arun("?", TEXT, run_id="monday")
    assert (again.answers, root.asked) == (both.answers, 3)


@pytest.mark.parametrize("run_id", ["", " \n"])
async def test_a_name_of_nothing_is_refused(path: Path, run_id: str) -> None:
    root = Root()
    with pytest.raises(InvalidArgumentError, match=r"run_id: .* names nothing"):
        await root.engine(path, verify=Twice()).arun("?", TEXT, run_id=run_id)
    assert not root.asked


async def test_any_other_text_may_be_a_name(path: Path) -> None:
    root = Root()
    names = ["a\udcffb", "a\udcfeb", "a\0b", "\x1b[31m", "x" * 100_000]
    for name in names:
        await root.engine(path).arun("?", TEXT, run_id=name)
    assert root.asked == len(names)
    for name in names:
        assert (await root.engine(path).arun("?", TEXT, run_id=name)).trace.journal == "finished"
        with pytest.raises(InvalidArgumentError, match="over another context") as refused:
            await root.engine(path).arun("?", "another text", run_id=name)
        assert len(str(refused.value)) < 500


async def test_nothing_goes_on_from_hashes_alone(path: Path) -> None:
    root = Root()
    await root.engine(Journal(path, contents=False)).arun("?", TEXT)
    await root.engine(Journal(path, contents=False)).arun("?", TEXT, run_id="monday")
    whole = await root.engine(path).arun("?", TEXT)
    assert (whole.answer, whole.trace.journal) == ("answer 3", "new")
    assert (await root.engine(path).arun("?", TEXT)).trace.journal == "finished"
    with pytest.raises(InvalidArgumentError, match=r"run_id: 'monday' .* without contents"):
        await root.engine(path).arun("?", TEXT, run_id="monday")


@pytest.mark.parametrize("turns", [1, 2, 20, 200])
async def test_a_claim_that_was_cancelled_holds_no_run(path: Path, turns: int) -> None:
    call = CallIdentity({"question": "1", "context": "2"}, "monday")

    async def begin() -> RunJournal:
        return await RunJournal.begin(Journal(path), lambda: (call, {"question": "?"}), "", RunThreads())

    first = await begin()
    await first.keep("1|root", {"text": "paid for"})
    await first.release()
    claiming = asyncio.create_task(begin())
    for _ in range(turns):
        await asyncio.sleep(0)  # it asks for the run, or has it by now
    claiming.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await (await claiming).release()
    again = await begin()  # and is not told that it is going on
    assert again.find("1|root") == {"text": "paid for"}
    await again.release()


def test_a_path_that_no_file_can_have_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"journal: 'a.*' is no path"):
        Root().engine("a\0b")


async def test_a_name_is_refused_in_a_session_too(path: Path) -> None:
    llm = ScriptedModel()
    session = SessionMemory(None, "a")
    for engine, words in (
        (RLMEngine(llm), "run_id: it names a run in a journal; pass journal="),
        (RLMEngine(llm, journal=path), "journal: it keeps single questions, not sessions"),
    ):
        with pytest.raises(InvalidArgumentError, match=words):
            await engine.aask_in(session, "?", None, run_id="monday")
        with pytest.raises(InvalidArgumentError, match=words):
            engine.ask_in(session, "?", None, run_id="monday")
    assert not llm.requests


@pytest.mark.parametrize("larger", [{"max_iterations": 9}, {"max_iterations": 2_500, "max_sub_calls": 5_000}])
async def test_a_larger_limit_is_no_other_wording(larger: dict[str, int], path: Path) -> None:
    llm = ScriptedModel(["```repl\nprint(1)\n```", ConnectionError("cut"), "FINAL('yes')"])
    limits = {"max_iterations": 1, "max_sub_calls": 1}
    with pytest.raises(RunError):
        await RLMEngine(llm, journal=path, limits=limits).arun("?", TEXT)
    result = await RLMEngine(llm, journal=path, limits=limits | larger).arun("?", TEXT)
    assert (result.answer, result.trace.journal) == ("yes", "resumed")
    assert result.trace.warnings == []
