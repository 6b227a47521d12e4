"""Programs of the kind a root LM writes, compared with plain CPython in a process of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TEXT = "\n".join(
    f"2024-{1 + n % 12:02d}-{1 + n % 28:02d} 12:{n % 60:02d}:00 [{['INFO', 'WARN', 'ERROR'][n * n % 3]}] user_{n % 37} "
    + " ".join(["login", "payment", "refund", "city", "Paris", "é\u2028"][(n * k) % 6] for k in range(1, 6))
    + (" The magic number is 48213." if n == 700 else "")
    for n in range(1_400)
)
DOCUMENTS = [
    {
        "id": f"d{n}",
        "text": TEXT[n * 1_000 : n * 1_000 + 900],
        "metadata": {"year": 2000 + n % 20, "tags": ["a", "b"][: n % 3]},
    }
    for n in range(40)
]


def _programs() -> dict[str, list[str]]:
    """Steps by the name of their program."""
    _, *sections = re.split(r"^=== (\w+)\n", Path(__file__).with_name("programs.txt").read_text("utf-8"), flags=re.M)
    return {name: body.strip().split("\n---\n") for name, body in zip(sections[::2], sections[1::2], strict=True)}


PROGRAMS = _programs()

PLAIN = """
import ast, contextlib, io, json, sys, types
TEXT, DOCUMENTS, PROGRAMS = json.load(sys.stdin)
shown = {}
for name, steps in PROGRAMS.items():
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    space = vars(main)
    space.update(context=TEXT, documents=DOCUMENTS, llm_query=lambda p: "reply to " + p)
    space["llm_query_batched"] = lambda ps: ["reply to " + p for p in ps]
    for step in steps:
        tree, out = ast.parse(step), io.StringIO()
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            exec(compile(tree, "<step>", "exec", dont_inherit=True), space)
            value = None if last is None else eval(compile(ast.Expression(last.value), "<step>", "eval"), space)
            if value is not None:
                print(value if isinstance(value, str) else repr(value))
    shown[name] = out.getvalue()
json.dump(shown, sys.stdout)
"""


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> dict[str, str]:
    """What CPython shows for the last step of each program."""
    script: Path = tmp_path_factory.mktemp("plain") / "run_plain.py"
    script.write_text(PLAIN)
    given = json.dumps([TEXT, DOCUMENTS, PROGRAMS])
    done = subprocess.run([sys.executable, "-I", script], input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_shows_what_it_shows_in_plain_cpython(open_repl, plain, name):
    repl = open_repl(TEXT, sub_call_chars=100_000)
    repl.step(f"documents = {DOCUMENTS!r}")
    outcome: Any = None
    for step in PROGRAMS[name]:
        outcome = repl.step(step)
        assert outcome.error is None
    assert outcome.output == plain[name]
