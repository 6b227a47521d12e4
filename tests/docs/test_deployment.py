"""The recipes of docs/deployment.md, run with the real queue and the real servers."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from rlm_integrations.core.journal.reading import JournalReader

PAGE = (Path(__file__).parents[2] / "docs/deployment.md").read_text(encoding="utf-8")
QUESTION = "How many contracts end before June?"


def recipe(words: str) -> str:
    """The snippet that has these words."""
    [code] = [code for code in re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL) if words in code]
    return dedent(code)


def run(code: str, name: str = "__main__") -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": name}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # clients of models live as long as a program
        exec(compile(code, "docs/deployment.md", "exec"), names)
    return names


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(openai_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")
def test_a_worker_of_celery_answers_and_a_job_that_comes_again_costs_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("celery")
    worker = pytest.importorskip("celery.contrib.testing.worker")
    names = run(recipe("from celery"))
    assert "419 contracts end before June." in capsys.readouterr().out
    app, answer, engine = names["app"], names["answer"], names["engine"]
    before = engine.run(QUESTION, names["contracts"], run_id="order-17")
    assert before.trace.journal == "finished"
    with worker.start_worker(app, perform_ping_check=False, pool="solo"):
        again, other = answer.delay(QUESTION, "order-17"), answer.delay(QUESTION, "order-18")
        assert again.get(timeout=60) == other.get(timeout=60)
    with JournalReader(tmp_path / "answers.sqlite") as journal:
        assert [(each.run_id, each.state) for each in journal.runs()] == [
            ("order-17", "finished"),
            ("order-18", "finished"),
        ]
    assert set(again.result) == {"answer", "sources", "tokens"}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")
def test_langserve_serves_a_runnable_without_its_trace() -> None:
    pytest.importorskip("langserve")
    testclient = pytest.importorskip("fastapi.testclient")
    with testclient.TestClient(run(recipe("from langserve"))["app"]) as client:
        answered = client.post("/contracts/invoke", json={"input": QUESTION}).json()["output"]
        assert answered["content"] == "419 contracts end before June."
        assert answered["response_metadata"]["rlm"]["citations"]
        assert "```repl" not in json.dumps(answered)
        streamed = client.post("/contracts/stream_events", json={"input": QUESTION}).text
        assert "rlm_iteration" in streamed
        assert client.post("/contracts/invoke", json={"input": 5}).status_code == 422
        assert client.get("/contracts/playground/").status_code == 200


def test_each_tenant_is_answered_from_a_corpus_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    names = run(recipe("def corpus_of"))
    assert capsys.readouterr().out == "419 contracts end before June.\n"
    result = names["engine"].run(QUESTION, names["corpus_of"]("other"))
    assert result.sources
    assert all(source.startswith("other-") for source in result.sources)
    assert names["corpus_of"]("acme") is names["corpora"]["acme"]
