"""Whole runs on the machines: all questions are answered, what is lost is asked again, and what is kept never."""

from __future__ import annotations

import importlib
import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlm_integrations.core.errors import InvalidArgumentError

from .conftest import LocalCluster, below, raylet, runs

pytest.importorskip("ray", reason="Ray is not installed: pip install 'rlm-integrations[ray]'")
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"
)

AT_ONCE = 4


def maker(log: Path, *, slow: str = "") -> Callable[[], Any]:
    """Of an engine whose model writes down what it was asked, and waits with one question until a file is there."""

    def make() -> Any:
        import time

        from rlm_integrations import RLMEngine
        from rlm_integrations.testing import ScriptedModel

        def reply(messages: Any) -> str:
            asked = messages[-1].content.partition("Question ")[2].split()[0].rstrip(".?")
            with log.open("a") as file:
                file.write(f"{asked}\n")
            while slow and asked == slow and not log.with_suffix(".go").exists():
                time.sleep(0.01)
            if asked == "7":
                raise ConnectionError("the server is away")
            return f"```repl\nFINAL('re {asked}')\n```"

        return RLMEngine(ScriptedModel(always=reply))

    return make


def actors(cluster: LocalCluster) -> list[int]:
    """The processes of those on the other machine."""
    pids = below(raylet(cluster.other))
    return [pid for pid in pids if runs(pid, b"ray::RunActor")]


async def outcomes(stream: Any) -> dict[int, str]:
    return {number: getattr(outcome, "answer", outcome) async for number, outcome in stream}


async def test_what_was_in_flight_in_an_actor_that_is_lost_is_asked_again_and_the_kept_never(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    from rlm_integrations.ray import rlm_map

    log, journal = tmp_path / "log", tmp_path / "journal"
    log.touch()
    questions = [f"Question {n}?" for n in range(30)]
    options: dict[str, Any] = {"at_once": AT_ONCE, "journal": journal, "num_cpus": 0, "resources": {"other": 1}}
    came: dict[int, Any] = {}
    async for number, outcome in rlm_map(maker(log, slow="20"), questions, **options):
        came[number] = getattr(outcome, "answer", outcome)
        if len(came) == 10:
            os.kill(actors(cluster)[0], signal.SIGKILL)
            log.with_suffix(".go").touch()
    assert "the server is away" in str(came.pop(7))  # which ends nothing else
    answers = {n: f"re {n}" for n in range(30) if n != 7}
    assert came == answers
    asked = Counter(log.read_text().split())
    assert len(questions) <= asked.total() <= len(questions) + AT_ONCE
    log.write_text("")
    again = await outcomes(rlm_map(maker(log), questions, actors=1, **options))
    assert "the server is away" in str(again.pop(7))
    assert again == answers
    assert log.read_text() == "7\n"
    nowhere = rlm_map(maker(log), questions, journal=journal, resources={"no_such_resource": 1})
    assert dict([await anext(nowhere) for _ in range(7)]).keys() == set(range(7))
    await nowhere.aclose()


async def test_what_cannot_be_made_or_asked_is_told(cluster: LocalCluster, tmp_path: Path) -> None:
    from rlm_integrations.ray import rlm_map

    def broken() -> Any:
        raise KeyError("NO_SUCH_KEY")

    with pytest.raises(KeyError, match="NO_SUCH_KEY"):
        await outcomes(rlm_map(broken, ["?"], actors=1, num_cpus=0))
    with pytest.raises(TypeError, match="make_chain returned a int, which has none of arun"):
        await outcomes(rlm_map(lambda: 5, ["?"], actors=1, num_cpus=0))
    (tmp_path / "text").write_text("no journal" * 1000)
    with pytest.raises(InvalidArgumentError, match=r"journal: .*text cannot be used: file is not a database"):
        await outcomes(rlm_map(broken, ["?"], journal=tmp_path / "text"))


@pytest.mark.parametrize(
    ("questions", "options", "words"),
    [
        ("Who?", {}, r"questions: str given; pass a list of questions, \[question\]"),  # else each character is asked
        (7, {}, "questions: int given"),
        (["Who?"], {"at_once": 0}, "at_once: 0 given; pass an int of 1 or more"),
        (["Who?"], {"at_once": "2"}, "at_once: '2' given"),
        (["Who?"], {"tries": None}, "tries: None given"),
        (["Who?"], {"actors": 1.5}, "actors: 1.5 given"),
    ],
)
async def test_wrong_arguments_are_named(questions: Any, options: dict[str, Any], words: str) -> None:
    from rlm_integrations.ray import rlm_map

    with pytest.raises(InvalidArgumentError, match=words):
        await outcomes(rlm_map(lambda: None, questions, **options))


async def test_an_outcome_that_cannot_be_brought_here_ends_nothing_else(cluster: LocalCluster) -> None:
    from rlm_integrations.ray import rlm_map

    def make() -> Any:
        import threading

        class There:
            """Of a class that the caller can make none of."""

            def __reduce__(self) -> Any:
                return __import__, ("no_such_module",)

        class Chain:
            async def arun(self, question: str) -> Any:
                if question == "lock":
                    return threading.Lock()
                if question == "exit":
                    raise SystemExit("the server's client ends")
                return There() if question == "there" else question

        return Chain()

    questions = ["one", "lock", "there", "exit", "two"]
    came = await outcomes(rlm_map(make, questions, actors=1, at_once=1, num_cpus=0, tries=2))
    assert (came[0], came[4]) == ("one", "two")
    assert "cannot pickle" in str(came[1])
    assert "no_such_module" in str(came[2])
    assert all(isinstance(came[place], Exception) for place in (1, 2, 3))


async def test_machines_without_the_package_end_the_job_in_words(
    cluster: LocalCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rlm_integrations.core.trace.run_errors import SandboxError
    from rlm_integrations.ray import map as ray_map
    from rlm_integrations.ray import rlm_map

    (tmp_path / "only_here.py").write_text(
        "from rlm_integrations.ray.map import RunActor\nclass Here(RunActor): pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(ray_map, "RunActor", importlib.import_module("only_here").Here)
    options: dict[str, Any] = {"actors": 1, "num_cpus": 0, "resources": {"other": 1}}
    with pytest.raises(SandboxError, match=r"could not begin on its machine: .*only_here.*install the same version"):
        await outcomes(rlm_map(maker(tmp_path / "log"), ["Question 1?"], **options))
