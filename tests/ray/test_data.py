"""The recipe for Ray Data of docs/ray.md, which takes longer than others: it runs where other recipes do."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from .conftest import LocalCluster

pytest.importorskip("ray", reason="Ray is not installed: pip install 'rlm-integrations[ray]'")
pytest.importorskip("celery", reason="this is not the environment of the recipes: make test-recipes")

PAGE = (Path(__file__).parents[2] / "docs/ray.md").read_text(encoding="utf-8")


def make_engine() -> Any:
    from rlm_integrations import RLMEngine
    from rlm_integrations.testing import ScriptedModel

    def reply(messages: Any) -> str:
        asked = messages[-1].content.partition("Question ")[2].split()[0].rstrip(".?")
        if asked == "7":
            raise ConnectionError("the server is away")
        return f"```repl\nFINAL('re {asked}')\n```"

    return RLMEngine(ScriptedModel(always=reply))


@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_ray_data_asks_each_row_and_a_failure_is_its_rows_alone(cluster: LocalCluster) -> None:
    ray = pytest.importorskip("ray")
    pytest.importorskip("ray.data")
    [code] = re.findall(r"^```python\n(class Ask.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    questions = [f"Question {n}?" for n in range(12)]
    names: dict[str, Any] = {"asyncio": asyncio, "ray": ray, "make_engine": make_engine, "questions": questions}
    exec(compile(code, "docs/ray.md", "exec"), names)
    answers = {row["question"]: row["answer"] for row in names["answered"].take_all()}
    assert "the server is away" in answers.pop("Question 7?")
    assert answers == {question: f"re {question[9:-1]}" for question in questions if question != "Question 7?"}
