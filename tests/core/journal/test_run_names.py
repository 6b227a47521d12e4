"""Runs that have a name."""

from __future__ import annotations

from pathlib import Path

import pytest

from rlm_integrations import InvalidArgumentError, Journal, RLMEngine
from rlm_integrations.testing import ScriptedModel

from .one_sub_call import ASK, Models


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.sqlite"


async def test_a_run_may_have_a_name(path: Path) -> None:
    models = Models()
    engine = models.engine(path)
    named = await engine.arun("?", run_id="first")
    other = await engine.arun("?", run_id="second")
    assert named.answer != other.answer
    assert (await engine.arun("?", run_id="first")).answer == named.answer
    with pytest.raises(InvalidArgumentError, match=r"run_id: 'first' is a run over another question"):
        await engine.arun("Another?", run_id="first")
    with pytest.raises(InvalidArgumentError, match=r"run_id: 'first' is a run over another context"):
        await engine.arun("?", "a text", run_id="first")
    with pytest.raises(InvalidArgumentError, match=r"run_id: .*contents=False"):
        await models.engine(Journal(path, contents=False)).arun("?", run_id="first")
    with pytest.raises(InvalidArgumentError, match="run_id: it names a run in a journal"):
        await RLMEngine(models.llm).arun("?", run_id="first")


async def test_a_name_of_a_run_that_is_going_on_is_refused(path: Path) -> None:
    models = Models()
    problems: list[str] = []
    outer = models.engine(path, on_event=lambda event: None)

    async def again(event: object) -> None:
        if type(event).__name__ == "CodeStarted":
            with pytest.raises(InvalidArgumentError, match=r"run_id: 'one' is going on") as raised:
                await outer.arun("?", run_id="one")
            problems.append(str(raised.value))

    await models.engine(path, on_event=again).arun("?", run_id="one")
    assert len(problems) == 1


async def test_a_named_run_that_goes_on_with_another_model_says_so(path: Path) -> None:
    models = Models()
    await models.engine(path).arun("?", run_id="one")
    models.llm = ScriptedModel(always=lambda messages: ASK, model="another")
    again = await models.engine(path).arun("?", run_id="one")
    assert again.trace.warnings == ["journal: the run began with another llm"]


def test_sessions_are_refused_by_name(path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="journal: it keeps single questions, not sessions"):
        Models().engine(path).session()
