from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rlm_integrations import RLMTrace
from rlm_integrations.cli.app import app
from rlm_integrations.testing import PythonCalls, ScriptedModel

FINDS_THE_KEY = """I search, ask and cite.
```repl
found = search("red key")
said = llm_query("What does it open? " + context[0]["text"][:100])
cite("The red key opens the cellar.")
answer["content"] = f"The red key: {said} ({len(context)} documents)"
answer["ready"] = True
```"""
LOOKS_FIRST = "```repl\nprint(len(context))\n```"

Ask = Callable[..., Any]
RunCli = Callable[..., Any]


QUESTION = ("ask", "notes", "-q", "What does the red key open?", "--model", "root", "--sub-model", "sub", "--base-url")


@pytest.fixture
def ask(model_server: Any, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Runs `ask` over the corpus in this process, at the server's models, with some more arguments."""
    monkeypatch.chdir(corpus.parent)
    model_server.models["sub"] = ScriptedModel(always=lambda messages: "the cellar")

    def run(*more: str) -> Any:
        arguments = [*QUESTION, model_server.url, *more]
        return CliRunner().invoke(app, arguments, env={"COLUMNS": "200"}, catch_exceptions=False)

    return run


def test_the_answer_and_its_citations_go_to_stdout_and_the_progress_to_stderr(
    run_cli: RunCli, corpus: Path, model_server: Any
) -> None:
    model_server.models["root"] = ScriptedModel([LOOKS_FIRST, FINDS_THE_KEY])
    model_server.models["sub"] = ScriptedModel(always=lambda messages: "the cellar")
    done = run_cli(*QUESTION, model_server.url)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "The red key: the cellar (2 documents)",
        "",
        "Citations:",
        "  [1] notes/a.txt:1: “The red key opens the cellar.”",
    ]
    lines = done.stderr.splitlines()
    assert lines[:2] == ["read: 2 documents; skipped 1 binary", "corpus: 2 documents, 2,280 characters"]
    assert lines[2].startswith("iteration 1 of 20: 1 code block, tokens ")
    assert lines[3].startswith("iteration 2 of 20: 1 code block, 1 sub-call, tokens ")
    assert lines[4].startswith("2 iterations, 1 sub-call, tokens ")
    assert len(lines) == 5
    assert "What does it open? The red key" in model_server.models["sub"].requests[0][-1].content


def test_json_is_one_object_with_everything_a_program_needs(ask: Ask, model_server: Any) -> None:
    model_server.models["root"] = ScriptedModel([FINDS_THE_KEY])
    done = ask("--json", "--price", "1,2", "--sub-price", "0.1,0.2")
    told = json.loads(done.stdout)
    assert told["answer"] == "The red key: the cellar (2 documents)"
    assert told["stop_reason"] == "answer"
    assert [(c["document_id"], c["start_index"], c["end_index"]) for c in told["citations"]] == [("notes/a.txt", 0, 29)]
    assert told["sources"][0] == "notes/a.txt"
    assert (told["iterations"], told["sub_calls"]) == (1, 1)
    assert told["usage"]["input_tokens"] > 0
    assert 0 < told["usage"]["cost_usd"] < 0.1


def test_the_trace_file_holds_the_whole_run(ask: Ask, model_server: Any, tmp_path: Path) -> None:
    model_server.models["root"] = ScriptedModel([LOOKS_FIRST, FINDS_THE_KEY])
    done = ask("--trace", "run.json")
    assert "Trace: run.json" in done.stderr
    trace = RLMTrace.model_validate(json.loads((tmp_path / "run.json").read_text("utf-8")))
    assert trace.detail == "full"
    assert [iteration.reply for iteration in trace.iterations] == [LOOKS_FIRST, FINDS_THE_KEY]
    assert trace.executions[1].sub_calls[0].reply == "the cellar"


def test_limits_come_from_options_and_pairs_and_the_stop_reason_is_told(ask: Ask, model_server: Any) -> None:
    model_server.models["root"] = ScriptedModel([LOOKS_FIRST, "I do not know."])
    done = ask("--max-iterations", "1", "--limit", "max_sub_calls=7", "--limit", "memory_mb=none")
    assert done.exit_code == 3, done.stderr
    assert done.stdout == "I do not know.\n"
    assert "Stopped by: max_iterations" in done.stderr
    assert "last call: no code" in done.stderr


def test_a_limit_is_told_once(run_cli: Any, corpus: Path, model_server: Any, tmp_path: Path) -> None:
    model_server.models["root"] = ScriptedModel([LOOKS_FIRST, "I do not know."])
    arguments = (*QUESTION, model_server.url, "--max-iterations", "1", "--trace", "run.json")
    done = run_cli(*arguments, warnings=["default"])
    assert done.returncode == 3, done.stderr
    assert "Warning" not in done.stderr
    assert done.stderr.count("limit") + done.stderr.count("max_iterations") == 1
    [warning] = json.loads((tmp_path / "run.json").read_text("utf-8"))["warnings"]
    assert "(max_iterations), and its answer is the root LM's word in one last call" in warning


def test_a_reply_in_plain_text_is_no_stop(ask: Ask, model_server: Any) -> None:
    model_server.models["root"] = ScriptedModel(["The cellar."])
    done = ask("--limit", "inline_chars=20000")
    assert (done.exit_code, done.stdout) == (0, "The cellar.\n")
    assert "Stopped by" not in done.stderr


def test_an_answer_for_which_nothing_was_read_says_so(run_cli: Any, corpus: Path, model_server: Any) -> None:
    model_server.models["root"] = ScriptedModel(["yes", "yes"])
    done = run_cli(*QUESTION, model_server.url, "--limit", "inline_chars=0", "--json", warnings=["default"])
    told = json.loads(done.stdout)
    assert (told["answer"], told["stop_reason"]) == ("yes", "plain_reply")
    [warning] = told["warnings"]
    assert warning.startswith("no code ran: the root LM answered “What does the red key open?” without reading the ")
    assert done.stderr.count(f"Warning: {warning}") == done.stderr.count("without reading") == 1


def test_a_run_that_fails_says_so_in_one_line_and_still_writes_its_trace(
    ask: Ask, model_server: Any, tmp_path: Path
) -> None:
    model_server.models["root"] = ScriptedModel([LOOKS_FIRST, ValueError("the model is\nout of order")])
    done = ask("--trace", "run.json")
    assert done.exit_code == 1
    assert done.stdout == ""
    [line] = [line for line in done.stderr.splitlines() if line.startswith("The run failed: ")]
    assert "the model is out of order" in line.replace("\\n", " ")
    trace = RLMTrace.model_validate(json.loads((tmp_path / "run.json").read_text("utf-8")))
    assert trace.iterations[0].reply == LOOKS_FIRST
    assert "out of order" in (trace.error or "")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--limit", "max_iteration=3"), "did you mean 'max_iterations'?"),
        (("--limit", "max_iterations"), "is not NAME=VALUE"),
        (("--limit", "max_iterations=3", "--max-iterations", "4"), "max_iterations is given twice"),
        (("--max-iterations", "0"), "max_iterations=0: "),
        (("--timeout", "soon"), "Invalid value for '--timeout'"),
        (("--limit", "max_cost_usd=1"), "add --price IN,OUT"),
        (("--limit", "max_cost_usd=1", "--price", "1,2"), "add --sub-price IN,OUT"),
        (("--price", "cheap"), "'cheap' is not two numbers"),
        (("--price", "1,-2"), "negative"),
        (("--trace", "nowhere/run.json"), "cannot be written (No such file or directory); pass a file in an existing"),
        (("--sandbox", "moon"), "sandbox"),
        (("--protocol", "json"), "--protocol: 'json' is unknown; pass fence or tool"),
        (("--import", "nmupy"), "--import: cannot import nmupy: it is not installed"),
        (("--import", "numpy", "--sandbox", "docker"), "--import: the sandbox 'docker' cannot import modules"),
        (("-q", ""), "--question: is empty"),
        (("--base-url", "localhost:8000/v1"), "--base-url: 'localhost:8000/v1' is no URL; pass one as http://"),
        (("no-such-file.txt",), "'no-such-file.txt': No such file or directory"),
        (("",), "PATH: the path is empty, as an unset variable is; pass . for the current folder"),
        (("-", "--files-from", "-"), "--files-from: standard input is the list, and cannot be the corpus too"),
        (("--files-from", "no-such-list"), "--files-from: cannot read 'no-such-list': No such file or directory"),
        (("-g", "!"), "PATH: the glob '!' is empty"),
        (("https://example.org/a.md",), "PATH: 'https://example.org/a.md' is a URL; download it, and pass the file"),
        (("/dev/null",), "is a device or a socket"),
        (("a\0b",), "null"),
        (("--trace", "-"), "'-' cannot be written"),
        (("--trace", "notes"), "'notes' cannot be written"),
        (("--no-such-option",), "--no-such-option"),
        (("--sub-model", ""), "--sub-model: is empty"),
        (("--max-input-tokens", "0"), "--max-input-tokens"),
    ],
)
def test_wrong_arguments_are_named_and_end_with_2_before_any_call(
    ask: Ask, model_server: Any, arguments: tuple[str, ...], problem: str
) -> None:
    done = ask(*arguments)
    assert done.exit_code == 2, done.output
    assert problem in done.stderr
    assert not model_server.asked.is_set()


def test_a_file_that_is_given_twice_is_read_once(ask: Ask, model_server: Any, corpus: Path) -> None:
    (corpus / ".hidden.txt").write_text("A hidden file is not in the folder's documents.\n" * 30)
    model_server.models["root"] = ScriptedModel(["```repl\nFINAL(sorted(d['id'] for d in context))\n```"])
    (corpus.parent / "elsewhere").mkdir()
    (corpus.parent / "elsewhere" / "c.txt").write_text("A folder's walk does not follow links to folders.\n" * 30)
    (corpus / "link").symlink_to(corpus.parent / "elsewhere")
    given = ("./notes/a.txt", str(corpus.absolute()), "notes/.hidden.txt", "notes/link/c.txt", "notes/deep/../a.txt")
    done = ask(*given)
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout) == ["notes/.hidden.txt", "notes/a.txt", "notes/deep/b.md", "notes/link/c.txt"]
    assert "read: 4 documents; skipped 5 given or linked twice, 2 hidden, 2 link to a folder, 1 binary" in done.stderr


def test_folders_that_cannot_be_walked_are_said(ask: Ask, model_server: Any, corpus: Path) -> None:
    folder = os.open(corpus, os.O_RDONLY)
    for _ in range(25):  # a path that is longer than the system takes
        os.mkdir("d" * 200, dir_fd=folder)
        inner = os.open("d" * 200, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(folder)
    model_server.models["root"] = ScriptedModel(['```repl\nFINAL("read")\n```'])
    done = ask()
    assert done.exit_code == 0, done.stderr
    [line] = [line for line in done.stderr.splitlines() if line.startswith("read: 2 documents; skipped ")]
    assert "1 unreadable ('notes/ddd" in line
    assert ": File name too long)" in line


def test_requests_that_are_sent_again_are_told(ask: Ask, model_server: Any) -> None:
    model_server.models["root"] = ScriptedModel([FINDS_THE_KEY])
    model_server.refusals += [503, 429]
    done = ask()
    assert done.exit_code == 0, done.stderr
    assert done.stderr.splitlines()[-1].startswith("1 iteration, 1 sub-call, 2 retries (503 Service Unavailable), ")


def test_verbose_shows_what_the_root_lm_writes_and_its_code_prints(ask: Ask, model_server: Any) -> None:
    model_server.models["root"] = ScriptedModel([LOOKS_FIRST, "```repl\n1 / 0\n```", FINDS_THE_KEY])
    done = ask("-v")
    assert done.stdout.startswith("The red key: the cellar")
    assert "root LM, iteration 1:\n    ```repl\n    print(len(context))\n    ```\n  output:\n    2\n" in done.stderr
    assert "ZeroDivisionError" in done.stderr
    assert "    I search, ask and cite.\n" in done.stderr


def test_the_root_lm_may_hand_over_its_code_by_a_tool(ask: Ask, model_server: Any) -> None:
    code = FINDS_THE_KEY.partition("```repl\n")[2].removesuffix("\n```")
    root = ScriptedModel([PythonCalls("print(len(context))", text="Look."), PythonCalls(code)])
    model_server.models["root"] = root
    done = ask("--protocol", "tool", "-v")
    assert done.stdout.startswith("The red key: the cellar (2 documents)\n")
    assert [[tool.name for tool in offered] for offered in root.offered] == [["python"]] * 2
    assert "root LM, iteration 1:\n    Look.\n    print(len(context))\n  output:\n    2\n" in done.stderr


def test_why_sub_calls_failed_is_told(ask: Ask, model_server: Any) -> None:
    model_server.models["sub"] = ScriptedModel(always=lambda messages: [][0])
    model_server.models["root"] = ScriptedModel(["```repl\nFINAL(str(len(llm_query_batched(['a', 'b']))))\n```"] * 2)
    done = ask("--limit", "max_iterations=1")
    first, last = (line for line in done.stderr.splitlines() if "list index out of range" in line)
    assert first.startswith("The first sub-call that failed: ")
    assert "2 sub-calls (2 failed: " in last


def test_a_sandbox_that_does_not_confine_is_warned_of_in_one_line(
    run_cli: RunCli, corpus: Path, model_server: Any
) -> None:
    model_server.models["root"] = ScriptedModel([FINDS_THE_KEY])
    model_server.models["sub"] = ScriptedModel(always=lambda messages: "the cellar")
    done = run_cli(*QUESTION, model_server.url, "--sandbox", "unconfined", warnings=["default"])
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("Warning: ")], done.stderr
    assert ".py" not in done.stderr


def test_without_openai_the_extra_is_named(start_command: Callable[..., Any], corpus: Path, tmp_path: Path) -> None:
    forgets = """
import sys
for name in list(sys.modules):
    if name.startswith(("openai", "rlm_integrations.openai", "rlm_integrations.cli")):
        del sys.modules[name]
"""

    def ask() -> Any:
        return start_command(["ask", corpus, "-q", "?", "-m", "m"], before=forgets).end()

    (tmp_path / "openai.py").write_text("raise ModuleNotFoundError('No module named openai')")
    done = ask()
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert 'pip install "rlm-integrations[openai]"' in done.stderr
    (tmp_path / "openai.py").write_text("raise ImportError('half installed')")
    done = ask()
    assert (done.returncode, done.stderr) == (1, "Error: ImportError('half installed')\n")


def test_named_modules_can_be_imported_and_the_root_lm_is_told(ask: Ask, model_server: Any) -> None:
    code = "```repl\nimport idna, colorsys\nFINAL(idna.encode('k\u00f6nig.de').decode())\n```"
    model_server.models["root"] = root = ScriptedModel([code])
    done = ask("--import", "idna", "--import", "colorsys")
    assert (done.exit_code, done.stdout) == (0, "xn--knig-5qa.de\n"), done.stderr
    assert "the standard library, idna and colorsys:" in root.requests[0][0].content


def test_a_model_and_a_key_are_asked_for_by_name(run_cli: RunCli, corpus: Path) -> None:
    done = run_cli("ask", corpus, "-q", "?")
    assert done.returncode == 2
    assert "--model" in done.stderr
    done = run_cli("ask", corpus, "-q", "?", RLM_MODEL="gpt-5")
    assert done.returncode == 2
    assert done.stderr == (
        "Error: OPENAI_API_KEY is not set; https://api.openai.com needs one: set OPENAI_API_KEY, or ask a server of "
        "your own by its --base-url, with any word as the key; the README shows both, and a run without a model: "
        '"No key?"\n'
    )


def test_a_folder_without_text_is_an_error_that_names_it(run_cli: RunCli, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = run_cli("ask", "empty", "-q", "?", "--model", "m", "--base-url", "http://localhost:1/v1")
    assert done.returncode == 2
    assert "no text file in the folder 'empty'" in done.stderr


def test_an_answer_in_any_script_survives_a_terminal_that_is_ascii(
    run_cli: RunCli, corpus: Path, model_server: Any
) -> None:
    model_server.models["root"] = ScriptedModel(['```repl\nFINAL("ключ 🔑")\n```'] * 2)
    plain = run_cli(*QUESTION, model_server.url, PYTHONIOENCODING="ascii")
    assert plain.stdout == r"\u043a\u043b\u044e\u0447 \U0001f511" + "\n"
    as_json = run_cli(*QUESTION, model_server.url, "--json", PYTHONIOENCODING="ascii")
    assert json.loads(as_json.stdout)["answer"] == "ключ 🔑"


def test_a_file_that_is_not_utf_8_can_be_cited(ask: Ask, model_server: Any, corpus: Path, tmp_path: Path) -> None:
    (corpus / "odd.txt").write_bytes(b"caf\xe9 is latin-1\n" * 10)
    model_server.models["root"] = ScriptedModel(
        ['```repl\nd = [d for d in context if "odd" in d["id"]][0]\ncite(d["text"][:16])\nFINAL("done")\n```']
    )
    done = ask("--trace", "run.json")
    assert done.exit_code == 0, done.stderr
    assert "notes/odd.txt:1: “café is latin-1”" in done.stdout
    assert "1 read as cp1252, a guess ('notes/odd.txt')" in done.stderr
    trace = json.loads((tmp_path / "run.json").read_text("utf-8"))
    assert trace["citations"][0]["cited_text"] == "café is latin-1"


def test_half_a_character_in_an_answer_loses_neither_answer_nor_trace(
    ask: Ask, model_server: Any, tmp_path: Path
) -> None:
    model_server.models["root"] = ScriptedModel(['```repl\nFINAL("half \\ud83d.")\n```'])
    done = ask("--json", "--trace", "run.json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["answer"] == "half \N{REPLACEMENT CHARACTER}."
    assert json.loads((tmp_path / "run.json").read_text("utf-8"))["answer"] == "half \N{REPLACEMENT CHARACTER}."


@pytest.mark.parametrize("terminal", ["xterm-256color", "dumb"])
def test_on_a_terminal_the_corpus_and_the_iterations_stay_on_the_screen(
    run_on_terminal: Callable[..., tuple[int, str]], model_server: Any, corpus: Path, terminal: str
) -> None:
    model_server.models["root"] = ScriptedModel([LOOKS_FIRST, '```repl\nFINAL("the end")\n```'])
    code, written = run_on_terminal(*QUESTION, model_server.url, COLUMNS="40", LINES="24", TERM=terminal)
    assert code == 0, written
    assert ("\x1b[?25l" in written) == (terminal != "dumb")
    *lines, _ = re.sub(r"\x1b(\[[?0-9;]*[a-zA-Z]|[78])", "", written).splitlines()
    assert "corpus: 2 documents, 2,280 characters" in lines
    assert any(line.startswith("iteration 2 of 20: 1 code block") for line in lines)
    assert lines[-1] == "the end"


@pytest.mark.parametrize("columns", ["0", "1"])
def test_a_width_that_is_none_hides_nothing(
    run_cli: RunCli,
    run_on_terminal: Callable[..., tuple[int, str]],
    model_server: Any,
    corpus: Path,
    columns: str,
) -> None:
    model_server.models["root"] = ScriptedModel(always=lambda messages: '```repl\nFINAL("the end")\n```')
    done = run_cli(*QUESTION, model_server.url, COLUMNS=columns)
    assert [line.partition(" ")[0] for line in done.stderr.splitlines()] == ["read:", "corpus:", "iteration", "1"]
    _, written = run_on_terminal(*QUESTION, model_server.url, COLUMNS=columns, TERM="dumb")
    assert "theend" in "".join(written.split())


def test_colour_that_is_forced_makes_no_pipe_a_terminal(run_cli: RunCli, model_server: Any, corpus: Path) -> None:
    model_server.models["root"] = ScriptedModel(['```repl\nFINAL("the end")\n```'])
    done = run_cli(*QUESTION, model_server.url, FORCE_COLOR="1")
    assert "\x1b[" not in done.stderr
    assert [line.partition(" ")[0] for line in done.stderr.splitlines()] == ["read:", "corpus:", "iteration", "1"]


@pytest.mark.parametrize("way", ["notes/a.txt", "link.json"])
def test_a_trace_never_takes_the_place_of_a_file_that_is_read(
    ask: Ask, model_server: Any, corpus: Path, way: str
) -> None:
    (corpus.parent / "link.json").symlink_to("notes/a.txt")
    text = (corpus / "a.txt").read_text()
    done = ask("--trace", way)
    assert (done.exit_code, (corpus / "a.txt").read_text()) == (2, text)
    assert f"--trace: '{way}' is read, as part of the corpus; pass a file that is not in it" in done.stderr


@pytest.mark.parametrize("whole_group", [False, True])
def test_ctrl_c_ends_a_run_at_once_with_130(
    start_command: Any, model_server: Any, corpus: Path, whole_group: bool
) -> None:
    model_server.models["root"] = ScriptedModel(always=lambda _: str(model_server.closing.wait(60)))
    arguments = ["ask", "notes", "-q", "?", "--model", "root", "--base-url", model_server.url]
    running = start_command(arguments, new_session=True)
    assert model_server.asked.wait(30)
    (os.killpg if whole_group else os.kill)(running.process.pid, signal.SIGINT)
    ended = running.end(10)
    stderr = ended.stderr
    assert ended.returncode == 130, stderr
    assert ended.stdout == ""
    spent, last = stderr.splitlines()[-2:]
    assert spent.startswith("1 iteration, 0 sub-calls, tokens 0 in, 0 out, ")
    assert last == "Interrupted."
    assert "Traceback" not in stderr


def test_a_journal_lets_the_same_command_go_on(ask: Ask, model_server: Any, tmp_path: Path) -> None:
    model_server.models["root"] = ScriptedModel([FINDS_THE_KEY])
    journal = str(tmp_path / "runs.sqlite")
    first = ask("--journal", journal)
    again = ask("--journal", journal)
    assert again.exit_code == 0
    assert again.stdout.split("\n\n")[0] == first.stdout.split("\n\n")[0]
    assert len(model_server.models["root"].requests) == len(model_server.models["sub"].requests) == 1
    assert "From the journal, paid for before: tokens " in again.stderr
    assert "tokens 0 in, 0 out (replayed: " in again.stderr
    assert "From the journal" not in first.stderr


def test_a_journal_that_is_something_else_is_a_wrong_argument(ask: Ask, corpus: Path) -> None:
    done = ask("--journal", str(corpus / "a.txt"))
    assert done.exit_code == 2
    assert "something else" in done.stderr


def test_twice_asks_two_blind_runs_and_a_third_where_they_differ(ask: Ask, model_server: Any) -> None:
    said = [f'```repl\nanswer["content"] = {answer}\nanswer["ready"] = True\n```' for answer in ('"red"', '"blue"')]
    verdict = FINISH_VERDICT.format('"second"')
    model_server.models["root"] = ScriptedModel([*said, verdict, said[0], said[0]])
    done = ask("--twice", "--json")
    told = json.loads(done.stdout)
    assert (told["answer"], told["agreement"], told["iterations"]) == ("blue", "reconciled", 3)
    assert "run 2, iteration 1 of 20: 1 code block" in done.stderr
    assert "run 3, iteration 1 of 20: 1 code block" in done.stderr
    assert done.stderr.count("corpus: ") == 1
    assert "3 iterations, " in done.stderr
    assert "Two runs differed, and a third said which holds." in done.stderr
    assert "Two runs agreed." in ask("--twice").stderr


FINISH_VERDICT = '```repl\nanswer["content"] = {{"verdict": {}, "why": "so"}}\nanswer["ready"] = True\n```'


def test_prices_come_from_a_list_and_those_of_a_server_of_ones_own_are_unknown(ask: Ask, model_server: Any) -> None:
    model_server.models["root"] = ScriptedModel([FINDS_THE_KEY, FINDS_THE_KEY])
    done = ask("--price", "genai", "--sub-price", "0.1,0.2", "--json")
    assert "what calls of root cost is unknown (genai-prices does not know it" in done.stderr + done.stdout
    assert json.loads(done.stdout)["usage"]["cost_usd"] < 0.1
    done = ask("--price", "genai", "--sub-price", "genai", "--limit", "max_cost_usd=1")
    assert done.exit_code == 1
    assert "max_cost_usd is set, which cannot be kept so" in done.stderr


BATCH = """```repl
answer["content"] = str(len(llm_query_batched(["a" * 4_000] * 10)))
answer["ready"] = True
```"""


def test_above_a_bound_nothing_is_sent_where_nobody_can_be_asked(ask: Ask, model_server: Any, tmp_path: Path) -> None:
    model_server.models["root"] = ScriptedModel([BATCH, BATCH, BATCH])
    bound = ("--price", "1,2", "--sub-price", "10,20", "--ask-above", "0.10")
    done = ask(*bound, "--trace", "run.json")
    assert done.exit_code == 1
    assert "--ask-above 0.1: stopped before 10 sub-calls, about $0.14 (" in done.stderr
    assert "nobody can be asked here; add --yes to go on" in done.stderr
    assert model_server.models["sub"].requests == []
    assert RLMTrace.model_validate(json.loads((tmp_path / "run.json").read_text("utf-8"))).usage.total_tokens > 0
    assert ask(*bound, "--yes").exit_code == 0
    assert ask(*bound[:-1], "0.20").exit_code == 0


def test_a_bound_needs_a_price(ask: Ask, model_server: Any) -> None:
    done = ask("--ask-above", "1")
    assert (done.exit_code, "--ask-above: what sub-calls cost is unknown without a price" in done.stderr) == (2, True)


def test_a_short_corpus_is_answered_directly_where_that_is_wanted(ask: Ask, model_server: Any) -> None:
    said = "The cellar.\n<evidence>\n[notes/a.txt] The red key opens the cellar.\n</evidence>"
    model_server.models["root"] = ScriptedModel([said])
    done = ask("--route", "auto", "--json")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["answer"], told["route"], told["iterations"]) == ("The cellar.", "direct", 1)
    assert [(cited["document_id"], cited["line"]) for cited in told["citations"]] == [("notes/a.txt", 1)]
    assert "Answered directly: about" in done.stderr


def test_an_unknown_route_is_refused(ask: Ask) -> None:
    done = ask("--route", "fast")
    assert done.exit_code == 2
    assert "--route: 'fast' is unknown; pass rlm or auto" in done.stderr
