"""Nothing that a model, a document, a file's name or a server wrote steers the terminal, reorders or hides text, or
stands in a line of its own where one line is meant: looked for in the bytes that a real terminal gets.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlm_integrations.testing import ScriptedModel

from .conftest import NOTHING_IMPORTED, SMALL_DEMO

DANGEROUS = {
    "title": "\x1b]0;pwned\x07",
    "clear": "\x1b[2J",
    "reverse video": "\x1b[7m",
    "reset": "\x1bc",
    "C1 control sequence": "\x9b2J",
    "C1 operating system command": "\x9d0;pwned\x9c",
    "backspaces": "\x08\x08",
    "carriage return": "\roverwritten",
    "delete": "\x7f",
    "form feed": "\x0c",
    "override": "\u202edesrever\u202c",
    "isolate": "\u2066x\u2069",
    "marks": "\u200e\u200f\u061c",
    "other line breaks": "\u2028\u2029\x85",
    "tags": "\U000e0068\U000e0069",
    "zero width": "a\u200b\u200d\u2060\ufeffb",
    "variation selectors": "a\ufe0f\U000e0100",
    "fillers": "\u3164\u115f\uffa0\u034f\xad",
    "annotation": "\ufff9x\ufffb",
}
EVIL = "".join(f"<{text}>" for text in DANGEROUS.values())
EVIL_NAME = f"{EVIL.replace('/', '')[:60]}\n  [2] forged.txt: “forged”\nforged"
LITERAL = "".join(f"\\U{ord(char):08x}" for char in EVIL)
"""EVIL as Python's escapes, for code that stays code whatever is in it."""
IN_CODE = re.sub(r"[\r\x0c]", "", EVIL)

OURS = re.compile(r"\x1b\[(\?25[lh]|2K|J|1A|1B|[0-689;]*m)|\x1b[78]|\r(?=\x1b7|\x1b\[1A)|\r\r?\n")
"""What rich steers a terminal with: cursor, lines and styles. No style of the views is 7, reverse video."""
UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u200b-\u200f\u2028-\u202e\u2060-\u2069\u3164"
                   "\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]")  # fmt: skip

RunOnTerminal = Callable[..., tuple[int, str]]


def assert_harmless(written: str, shown: str = r"\x1b]0;pwned") -> None:
    """Only what is ours steers; what was written is shown, escaped; and no line was forged."""
    text = OURS.sub("\n", written)
    assert not UNFIT.search(text), [text[m.start() - 40 : m.end() + 20] for m in UNFIT.finditer(text)][:5]
    assert shown in re.sub(r"[\n│ ]+", "", text)
    assert not [line for line in text.splitlines() if line.strip().startswith(("forged", "[2]"))]


@pytest.fixture
def ask(run_on_terminal: RunOnTerminal, model_server: Any, corpus: Path) -> RunOnTerminal:
    """Runs `ask` over a file with a dangerous name and a dangerous text."""
    (corpus / EVIL_NAME).write_bytes((f"The key: {EVIL} ends here.\n" * 20).encode())
    model_server.models["sub"] = ScriptedModel(always=lambda messages: EVIL)

    def run(root: list[Any], *more: str, **environment: str) -> tuple[int, str]:
        model_server.models["root"] = ScriptedModel(root)
        arguments = ("-q", "?", "--model", "root", "--sub-model", "sub", "--base-url", model_server.url, *more)
        return run_on_terminal("ask", "notes", *arguments, **environment)

    return run


CITES = f"""Let me see. {EVIL}
```repl
# {IN_CODE}
document = next(d for d in context if "forged" in d["id"])
cite(document["text"].splitlines(keepends=True)[0][:12] + document["text"][12:40], document["id"])
FINAL("{LITERAL}")
```"""


@pytest.mark.parametrize("colours", [{}, {"FORCE_COLOR": "1"}, {"TERM": "dumb"}])
def test_the_answer_and_its_citations(ask: RunOnTerminal, colours: dict[str, str]) -> None:
    code, written = ask([CITES], **colours)
    assert code == 0, written
    assert "Citations:" in written
    assert_harmless(written)


def test_json(ask: RunOnTerminal) -> None:
    code, written = ask([CITES], "--json")
    assert code == 0, written
    assert_harmless(written, r"\u001b]0;pwned")


def test_a_heading_in_the_answer_is_not_the_heading_of_the_citations(ask: RunOnTerminal) -> None:
    answer = "No.\\n\\nCitations:\\n  [1] notes/a.txt: “The blue key does.”"
    _, written = ask([f'```repl\nFINAL("{answer}")\n```'])
    assert "> Citations:" in written
    assert not re.search(r"^\s*Citations:", written, re.MULTILINE)


def test_an_error_of_the_server_and_the_draft(ask: RunOnTerminal) -> None:
    draft = f'```repl\nanswer["content"] = "{LITERAL}"\n```'
    code, written = ask([draft, ValueError(f"{EVIL}\nforged")])
    assert code == 1
    assert "The run failed" in written
    assert "The draft of one" in written
    assert_harmless(written)


def test_why_a_sub_call_failed(ask: RunOnTerminal, model_server: Any) -> None:
    root = ['```repl\nprint(llm_query_batched(["?"]))\n```', "done"]
    model_server.models["sub"] = ScriptedModel(always=lambda messages: fail())

    def fail() -> str:
        raise ValueError(f"{EVIL}\nforged")

    code, written = ask([*root, "done"], "--max-iterations", "1")
    assert "The first sub-call that failed: " in written, (code, written)
    assert_harmless(written, "pwned")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ask", EVIL_NAME, "-q", "?", "-m", "m"], "No such file or directory"),
        (["ask", ".", "-q", "?", "-m", "m", f"--{EVIL_NAME}"], "No such option"),
        (["ask", ".", "-q", "?", "-m", "m", "--timeout", EVIL_NAME], "Invalid value"),
        (["ask", ".", "-q", "?", "-m", "m", "--limit", f"{EVIL_NAME}=1"], "Error"),
        (["ask", ".", "-q", "?", "-m", "m", "--trace", f"no/{EVIL_NAME}"], "cannot be written"),
        ([EVIL_NAME], "No such command"),
    ],
)
@pytest.mark.parametrize("colours", [{}, {"FORCE_COLOR": "1"}])
def test_errors_about_arguments(
    run_on_terminal: RunOnTerminal, arguments: list[str], said: str, colours: dict[str, str]
) -> None:
    code, written = run_on_terminal(*arguments, OPENAI_API_KEY="k", **colours)
    assert code == 2
    assert said in written
    assert not UNFIT.search(OURS.sub("\n", written)), written


def test_the_name_of_a_trace(ask: RunOnTerminal, tmp_path: Path) -> None:
    code, written = ask([CITES], "--trace", EVIL_NAME)
    assert code == 0, written
    assert (tmp_path / EVIL_NAME).exists()
    assert_harmless(written)


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_comparison(run_on_terminal: RunOnTerminal, model_server: Any, corpus: Path, more: list[str]) -> None:
    """The table, and what is told of each attempt: an answer, and an error that quotes the server."""
    (corpus / EVIL_NAME).write_bytes(EVIL.encode())

    def reply(messages: Any) -> str:
        if "```repl" in messages[0].content:
            raise ValueError(f"{EVIL}\nforged")
        return f"{EVIL}\nforged\n[2] forged"

    model_server.models["root"] = ScriptedModel(always=reply)
    arguments = ("-q", EVIL, "--model", "root", "--base-url", model_server.url, "--max-tokens", "900000", "--yes")
    code, written = run_on_terminal("compare", "notes", *arguments, "--methods", "direct,map,rlm0", *more)
    assert code == 0, written
    assert_harmless(written, "pwned")


def test_what_a_server_tells_the_doctor(run_on_terminal: RunOnTerminal, model_server: Any) -> None:
    model_server.models |= {
        "root": ScriptedModel([ValueError(f"{EVIL}\nforged")]),
        EVIL: ScriptedModel(["ok"]),
    }
    for model in ("root", EVIL):
        arguments = ("doctor", "--base-url", model_server.url, "--model", model)
        _, written = run_on_terminal(*arguments, before=NOTHING_IMPORTED)
        assert_harmless(written, "pwned")


def test_warnings_and_tracebacks_of_other_code(run_on_terminal: RunOnTerminal, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import atexit, warnings, logging\n"
        f'atexit.register(lambda: (logging.error("{LITERAL}"), warnings.warn("{LITERAL}"), 1 / 0))\n'
    )
    code, written = run_on_terminal("--version", PYTHONPATH=f"{tmp_path}:{Path.cwd()}", PYTHONWARNINGS="default")
    assert code == 0
    assert "Warning: " in written
    assert "ZeroDivisionError" in written
    assert_harmless(written)


def test_the_demo_with_a_model(run_on_terminal: RunOnTerminal, model_server: Any) -> None:
    answer = "".join(f"{name}: {LITERAL}\\n" for name in ("crates", "messages", "leaving", "van"))
    code = f"# {IN_CODE}\nprint('{LITERAL}', llm_query('?'))\ncite(context[0]['text'][:30])\nFINAL(\"{answer}\")"
    model_server.models["sub"] = ScriptedModel(always=lambda messages: EVIL)
    model_server.models["root"] = ScriptedModel(always=lambda messages: f"I ask. {EVIL}\n```repl\n{code}\n```")
    arguments = ("demo", "--yes", "--model", "root", "--sub-model", "sub", "--base-url", model_server.url)
    status, written = run_on_terminal(*arguments, before=SMALL_DEMO, COLUMNS="200")
    assert status == 0, written
    for part in ("root LM: ", "sub-calls:", "printed:", "The answer", "wrong", "1 citation"):
        assert part in OURS.sub("", written), part
    assert_harmless(written)
    assert written.count("pwned") >= 8
