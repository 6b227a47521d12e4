"""The command `demo`, as it is run from a shell."""

from __future__ import annotations

import io
import json
import os
import re
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import pytest
from filelock import FileLock
from llama_index.core import Document, SummaryIndex

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.language_model import LanguageModel, Message
from rlm_integrations.demo.delivery_log import DeliveryLog, make_log
from rlm_integrations.demo.models import DemoModels, Wanted, choose_models
from rlm_integrations.demo.narration import thought_of
from rlm_integrations.demo.run import LANGCHAIN, LLAMA_INDEX, program_words, show_run
from rlm_integrations.demo.script import scripted_reader, scripted_root
from rlm_integrations.terminal.console import TerminalConsole
from rlm_integrations.testing import ScriptedModel
from rlm_integrations.testing.langchain import ScriptedChatModel
from rlm_integrations.testing.llama_index import ScriptedLLM
from tests.programs import COMMAND_LINE, program_environment

PROGRAM = "import sys; from rlm_integrations.cli import main; sys.argv[1:1] = ['demo']; main()"
SMALL = (
    "from functools import partial; from rlm_integrations.demo import run; "
    "run.make_log = partial(run.make_log, crates_a_day=5, messages_a_day=5)"
)
TEMPTED = {
    "OPENAI_API_KEY": "sk-test",
    "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
    "RLM_MODEL": "m",
    "RLM_SUB_MODEL": "s",
}
"""What would bill somebody, if it were taken for a wish."""


@pytest.fixture(scope="session")
def piped(
    program_parent: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> tuple[int, str, str]:
    """One run of the whole demo, also for tests that run in several processes: its exit code, stdout and stderr."""
    if worker_id == "master":
        return whole_demo(program_parent)
    kept = tmp_path_factory.getbasetemp().parent / "demo.json"
    with FileLock(f"{kept}.lock"):
        if not kept.exists():
            kept.write_text(json.dumps(whole_demo(program_parent)), "utf-8")
        code, stdout, stderr = json.loads(kept.read_text("utf-8"))
        return code, stdout, stderr


def whole_demo(program_parent: Callable[..., Any]) -> tuple[int, str, str]:
    with TemporaryFile() as stdout, TemporaryFile() as stderr, open(os.devnull, "rb") as null:
        streams = [each.fileno() for each in (null, stdout, stderr)]
        env = program_environment(COLUMNS="100", **TEMPTED)
        parent = program_parent(*COMMAND_LINE)
        program = parent.start(PROGRAM, ["-c"], streams, env=env, cwd=Path.cwd(), warnings=["default"], fresh=True)
        code = program.wait(120)
        for file in (stdout, stderr):
            file.seek(0)
        return code, stdout.read().decode(), stderr.read().decode()


@pytest.fixture(scope="module")
def small() -> DeliveryLog:
    """The same question over less."""
    return make_log(crates_a_day=5, messages_a_day=5)


def scripted() -> DemoModels:
    return choose_models(Wanted(), {})


def shown(log: DeliveryLog, models: DemoModels, *, sandbox: str = "auto", **console: Any) -> str:
    screen = io.StringIO()
    show_run(TerminalConsole(file=screen, highlight=False, **console), models, sandbox, log)
    return screen.getvalue()


def rows(output: str) -> dict[str, list[str]]:
    """Rows of the tables: the first cell -> the others."""
    cells = (re.split(r"  +", line.strip()) for line in output.splitlines() if line.startswith("  "))
    return {first: others for first, *others in cells}


def test_piped_it_ends_well_and_a_key_in_the_environment_bills_nobody(piped: tuple[int, str, str]) -> None:
    code, stdout, stderr = piped
    assert (code, stderr) == (0, "")
    assert stdout.startswith("No model is asked here, and nothing billed: a script plays it")
    assert "\x1b" not in stdout


def test_who_reads_no_further_amid_the_run_ends_it_without_a_word(start_program: Callable[..., Any]) -> None:
    """The pipe is as small as it can be, so that the run cannot end before it is read."""
    smallest = "import fcntl; fcntl.fcntl(1, fcntl.F_SETPIPE_SZ, 4096)"
    demo = start_program(f"{smallest}; {SMALL}; {PROGRAM}", imported=COMMAND_LINE)
    assert any(line.startswith("root LM: ") for line in demo.stdout)
    demo.stdout.close()
    assert demo.process.wait() == 1
    demo.stderr.seek(0)
    assert demo.stderr.read() == ""


def test_it_is_read_on_a_few_screens_of_100_columns(piped: tuple[int, str, str]) -> None:
    lines = piped[1].splitlines()
    assert len(lines) <= 150
    assert max(map(len, lines)) <= 100


def test_no_window_holds_the_corpus_and_no_top_k_has_the_evidence(piped: tuple[int, str, str]) -> None:
    found = rows(piped[1])
    tokens = {way: int(cells[0].replace(",", "")) for way, cells in found.items() if re.match("stuff|top-|RLM", way)}
    assert tokens["stuff it all in"] > 10_000_000
    assert tokens["top-4, BM25"] < tokens["top-20, BM25"] < tokens["top-100, BM25"]
    assert tokens["RLM, 6 sub-calls"] < tokens["top-100, BM25"]
    sought = int(found["leaving"][0])
    for k in (4, 20, 100):
        assert int(found[f"top-{k}, BM25"][1].split()[0]) < sought / 4
    assert found["RLM, 6 sub-calls"][1] == f"{sought} of {sought}"


def test_it_shows_code_what_it_printed_sub_calls_citations_and_what_to_do_next(
    piped: tuple[int, str, str],
) -> None:
    for line in (
        "result = RLMEngine(llm, sub_llm=sub_llm).run(question, log)",
        "replies = llm_query_batched(",
        "sub-calls:\n  1: ",
        "printed:\n  365 documents",
        "3 citations, compared",
        "RLMRunnable(",
        'engine="rlm"',
    ):
        assert line in piped[1]
    assert piped[1].splitlines()[-2].strip() == "rlm-integrations demo --live"


@pytest.mark.parametrize("sandbox", ["process", "wasi"])
def test_in_every_sandbox_the_answer_is_the_truth(sandbox: str, small: DeliveryLog) -> None:
    found = rows(shown(small, scripted(), sandbox=sandbox, width=100))
    for name, value in small.truth.items():
        assert found[name] == [value, value, "right"]


def test_a_wrong_answer_is_called_wrong(small: DeliveryLog) -> None:
    reader = scripted_reader()
    wrong = ScriptedModel(always=lambda messages: reader.complete_sync(messages).text.replace("leaving", "stays", 1))
    found = rows(shown(small, DemoModels("", scripted_root(), wrong), width=100))
    assert found["messages"][2] == "right"
    assert found["leaving"][2] == "wrong"


@pytest.mark.parametrize("console", [{"_environ": {"TERM": "dumb"}, "height": 25}, {"color_system": "truecolor"}])
@pytest.mark.parametrize("width", [60, 100])
def test_a_terminal_is_not_overrun_and_all_is_readable_on_light_and_dark(
    width: int, console: dict[str, Any], small: DeliveryLog
) -> None:
    text = shown(small, scripted(), width=width, force_terminal=True, **console)
    colours = {code for codes in re.findall(r"\x1b\[([\d;]*)m", text) for code in codes.split(";")}
    assert colours <= {"", "0", "1", "2", "3", "4", "22", "23", "24", "39", "49"}
    plain = re.sub(r"\x1b(\[[?\d;]*[A-Za-z]|[78])", "", text)
    lines = [line.split("\r")[-1] for line in plain.splitlines() if not line.startswith("iteration ")]
    assert max(map(len, lines)) <= width
    if width == 60:
        assert re.search(r"\n  names = .*\n  wrote = \[\n      \(m", plain)
        assert re.search(r"\n      for m in [^\n]*\n          \S[^\n]* limit=None\)", plain)  # it goes on further in
    assert all(f"iteration {n} of 20: 1 code block" in plain for n in (1, 2, 3))


@pytest.fixture
def server(serve_posts: Callable[..., str]) -> tuple[str, list[str]]:
    """A server whose models "big" and "small" play the script: its address, and the models asked."""
    asked: list[str] = []
    models: dict[str, LanguageModel] = {"big": scripted_root(), "small": scripted_reader()}

    def post(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        request = json.loads(body)
        asked.append(request["model"])
        if request["model"] not in models:
            handler.send_error(404)
            return
        model: Any = models[request["model"]]
        completion = model.complete_sync([Message(m["role"], m["content"]) for m in request["messages"]])
        choice = {"index": 0, "message": {"role": "assistant", "content": completion.text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        reply = {"id": "1", "object": "chat.completion", "created": 1, "model": request["model"], "usage": usage}
        data = json.dumps(reply | {"choices": [choice]}).encode()
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    return serve_posts(post), asked


def test_a_model_that_is_named_is_asked_and_its_tokens_are_shown(
    server: tuple[str, list[str]], small: DeliveryLog
) -> None:
    models = choose_models(Wanted(model="big", sub_model="small", base_url=server[0]), {})
    assert models.introduction.startswith("A real model answers: big as the root LM and small for the sub-calls")
    assert models.cost is not None
    assert re.search(r"at most about 300,000", models.cost)
    found = rows(shown(small, models, width=100))
    assert set(server[1]) == {"big", "small"}
    assert found["RLM, 6 sub-calls"][0] == str(10 * len(server[1]))
    assert found["leaving"][2] == "right"


def test_what_the_environment_names_is_asked_with_live_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_models(Wanted(), TEMPTED).cost is None
    assert choose_models(Wanted(recorded=True), TEMPTED).cost is None
    introduction = choose_models(Wanted(live=True), TEMPTED).introduction
    assert "m as the root LM and s for the sub-calls, through http://127.0.0.1:9/v1" in introduction
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    assert "gpt-5 as the root LM and gpt-5-mini" in choose_models(Wanted(live=True), {}).introduction


@pytest.mark.parametrize(
    ("wanted", "option"),
    [
        (Wanted(base_url="http://127.0.0.1:9/v1"), "--model"),
        (Wanted(sub_model="small"), "--model"),
        (Wanted(recorded=True, live=True), "--recorded"),
        (Wanted(recorded=True, model="m"), "--recorded"),
    ],
)
def test_options_that_do_not_fit_are_refused(wanted: Wanted, option: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f"^{option}: "):
        choose_models(wanted, TEMPTED)


def test_where_nobody_can_agree_nothing_is_asked(
    server: tuple[str, list[str]], run_program: Callable[..., Any]
) -> None:
    run = run_program(PROGRAM, "--base-url", server[0], "--model", "big", imported=COMMAND_LINE)
    assert run.returncode == 2
    assert re.search(r"--yes: .*300,000.* Add --yes", run.stderr)
    assert (len(run.stderr.splitlines()), run.stdout, server[1]) == (1, "", [])


def test_a_sandbox_that_is_unknown_is_said_before_anything_else(run_program: Callable[..., Any]) -> None:
    run = run_program(PROGRAM, "--sandbox", "sandpit", imported=COMMAND_LINE)
    assert (run.returncode, run.stdout, len(run.stderr.splitlines())) == (2, "", 1)
    assert "sandpit" in run.stderr


def test_a_model_that_the_server_does_not_know_is_one_line_and_exit_code_1(
    server: tuple[str, list[str]], run_program: Callable[..., Any]
) -> None:
    run = run_program(
        f"{SMALL}; {PROGRAM}", "--base-url", server[0], "--model", "unknown", "--yes", imported=COMMAND_LINE
    )
    assert run.returncode == 1
    assert len(run.stderr.splitlines()) == 1
    assert "404" in run.stderr


def test_without_openai_a_live_run_names_the_extra(run_program: Callable[..., Any]) -> None:
    run = run_program(f"import sys; sys.modules['openai'] = None; {PROGRAM}", "--model", "m", everything=True)
    assert run.returncode == 2
    assert 'pip install "rlm-integrations[openai]"' in run.stderr
    assert len(run.stderr.splitlines()) == 1


def test_the_lines_for_both_frameworks_run() -> None:
    code = "```repl\nanswer['content'] = context[0]['text']\nanswer['ready'] = True\n```"
    names: dict[str, Any] = {"llm": ScriptedChatModel([code]), "documents": ["one"], "question": "?"}
    exec(LANGCHAIN, names)
    assert names["message"].text == "one"
    names |= {"llm": ScriptedLLM([code]), "index": SummaryIndex.from_documents([Document(text="two")])}
    exec(LLAMA_INDEX, names)
    assert str(names["response"]) == "two"


def test_the_commands_at_the_end_name_the_program_as_it_was_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "rlm-integrations"
    program.touch(0o755)
    assert program_words(".venv/bin/rlm-integrations") == ".venv/bin/rlm-integrations"
    assert program_words(str(program)) == str(program)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert program_words(str(program)) == "rlm-integrations"
    assert program_words("/x/rlm_integrations/__main__.py") == f"{sys.executable} -m rlm_integrations"


def test_a_thought_is_what_stands_before_the_code() -> None:
    assert thought_of("First look.\n\n```repl\n1\n```\nthen more") == "First look.\n\n"
    assert thought_of("```repl\n1\n```") == ""
    assert thought_of("no code") == "no code"
