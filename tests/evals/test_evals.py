"""`python -m evals`: the quick form, a live server behind a cap, and the same replayed."""

from __future__ import annotations

import asyncio
import importlib.util
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from evals.__main__ import main
from evals.grid import Row, read_rows, write_rows
from evals.models.recorded import NoRecordError, Recorded, Replayed
from evals.models.simulated import PERFECT, Simulated
from evals.table import BY_CODE, cells, markdown
from rlm_integrations import Message


def row(method: str, score: float, *, seed: int = 0, status: str = "answered", family: str = "one needle") -> Row:
    return Row(family, 8_000, seed, method, score, status, "x", 1, 100, 10, None, 2.0)


def test_the_quick_form_has_a_row_for_each_task_and_method(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--quick", "--without-charts", "--out", str(tmp_path), "--lengths", "2000"])
    rows = read_rows(tmp_path / "rows.jsonl")
    assert len({row.family for row in rows}) == 7
    assert len(rows) == 7 * (9 + 2)
    assert {row.status for row in rows} == {"answered"}
    assert all(0.0 <= row.score <= 1.0 and row.seconds > 0.4 and row.calls > 0 for row in rows)
    table = (tmp_path / "table.md").read_text()
    assert capsys.readouterr().out == table
    assert table.startswith("| simulated reader | tokens | direct, cut to fit |")
    assert "| told only by reading | 2,000 |" in table


def test_a_table_tells_truncation_from_error_and_has_intervals() -> None:
    rows = [row("direct", score, seed=seed, status="truncated") for seed, score in enumerate((0.0, 0.5, 1.0))]
    rows += [row("RLM", 1.0, seed=seed) for seed in range(3)] + [row("map", 0.0, status="failed")]
    found = cells(rows)
    assert (found["one needle", 8_000, "direct"].truncated, found["one needle", 8_000, "direct"].failed) == (1.0, 0.0)
    assert (found["one needle", 8_000, "map"].truncated, found["one needle", 8_000, "map"].failed) == (0.0, 1.0)
    assert found[BY_CODE, 8_000, "RLM"].score == (1.0, (1.0, 1.0))
    assert "| one needle | 8,000 | 50 (0–100)† | 100 (100–100) | 0 |" in markdown(rows, "simulated reader")


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="charts need matplotlib (make evals has it)")
def test_the_charts_say_whose_reading_they_show(tmp_path: Path) -> None:
    from evals.charts import draw

    rows = [row("direct", 0.5, seed=seed, status="truncated") for seed in range(3)] + [row("RLM", 1.0)]
    paths = draw(rows, "simulated reader", tmp_path)
    assert [path.name for path in paths] == ["families.png", "overview.png", "tokens.png", "seconds.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)


class Handler(BaseHTTPRequestHandler):
    """A server of OpenAI's API whose model is the perfect simulated one."""

    model = Simulated(PERFECT, slips=0.0)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        messages = [Message(each["role"], each["content"]) for each in body["messages"]]
        completion = asyncio.run(self.model.complete(messages))
        usage = completion.usage
        reply = {
            "id": "1",
            "object": "chat.completion",
            "created": 0,
            "model": "loopback",
            "choices": [
                {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": completion.text}}
            ],
            "usage": {
                "prompt_tokens": usage.input_tokens,
                "completion_tokens": usage.output_tokens,
                "total_tokens": usage.total_tokens,
            },
        }
        data = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        thread = Thread(target=served.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{served.server_port}/v1"
        served.shutdown()
        thread.join()


def test_a_live_evaluation_keeps_to_its_cap_and_is_replayed(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    kept, quick = (
        tmp_path / "replies.jsonl",
        ["--lengths", "2000", "--families", "one needle", "--without-charts", "--quick"],
    )
    live = ["live", "-m", "loopback", "--base-url", server, "--price", "1,2", "--record", str(kept)]
    main([*quick, "--max-input-tokens", "100000", "--out", str(tmp_path / "live"), *live, "--max-cost", "1"])
    rows = read_rows(tmp_path / "live" / "rows.jsonl")
    assert [row.score for row in rows] == [1.0] * 9
    assert all(row.cost_usd is not None and row.cost_usd > 0 for row in rows)
    main([*quick, "--max-input-tokens", "100000", "--out", str(tmp_path / "again"), "replay", str(kept)])
    again = read_rows(tmp_path / "again" / "rows.jsonl")
    assert [(row.method, row.answer, row.calls) for row in again] == [
        (row.method, row.answer, row.calls) for row in rows
    ]
    main([*quick, "--max-input-tokens", "100000", "--out", str(tmp_path / "capped"), *live[:-2], "--max-cost", "0.004"])
    capped = read_rows(tmp_path / "capped" / "rows.jsonl")
    assert "skipped" in {row.status for row in capped}
    assert sum(row.cost_usd or 0.0 for row in capped) < 0.006


def test_a_live_evaluation_without_a_cap_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="--max-cost and --price"):
        main(["--quick", "--out", str(tmp_path), "live", "-m", "gpt-5"])


async def test_replies_are_found_whatever_the_tags_of_fences_are(tmp_path: Path) -> None:
    path = tmp_path / "replies.jsonl"
    question = "What is the access code of the amber anchor? Reply with the code alone."
    text = f"<documents 0123abcd>\nIn 1 word.\n</documents 0123abcd>\nQuestion:\n{question}"
    asked = [Message("user", text)]
    first = await Recorded(Simulated(), path).complete(asked)
    other = [Message("user", text.replace("0123abcd", "ffff0000"))]
    assert (await Replayed(path).complete(other)).text == first.text
    with pytest.raises(NoRecordError):
        await Replayed(path).complete([Message("user", "Else?")])


def test_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    rows = [row("direct", 0.25), row("RLM", 1.0, status="limit")]
    write_rows(rows, tmp_path / "rows.jsonl")
    assert read_rows(tmp_path / "rows.jsonl") == rows
