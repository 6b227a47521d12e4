"""Programs of the kind a root LM writes, in a confined REPL and in plain CPython: both show the same.

`programs/*.txt` hold them: `=== name` begins a program, `---` its next step. The steps share state.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.sandbox import Repl
from rlm_integrations.sandboxes.process.sandbox import ProcessSandbox
from rlm_integrations.sandboxes.wasi.sandbox import WasiSandbox
from rlm_integrations.wire.calls import HostCall, LlmQuery
from rlm_integrations.wire.settings import ReplSettings
from rlm_integrations.wire.steps import StepDone

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
SETTINGS = ReplSettings(depth=1, sub_call_chars=100_000, max_output_chars=8_192, step_timeout_s=30.0, memory_mb=512)
NAMED = ("numpy", "pandas")


def _programs(file: Path) -> dict[str, list[str]]:
    """Steps by the name of their program."""
    _, *sections = re.split(r"^=== (\w+)\n", file.read_text("utf-8"), flags=re.MULTILINE)
    pairs = zip(sections[::2], sections[1::2], strict=True)
    return {f"{file.stem}-{name}": body.strip().split("\n---\n") for name, body in pairs}


PROGRAMS: dict[str, list[str]] = {}
for _file in sorted(Path(__file__).with_name("programs").glob("*.txt")):
    PROGRAMS |= _programs(_file)

PLAIN = """
import ast, contextlib, io, json, sys, types
import numpy, pandas
TEXT, DOCUMENTS, PROGRAMS = json.load(sys.stdin)

def shown_by(steps):
    sys.stdin = io.StringIO()  # some close it
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    space = vars(main)
    space.update(context=TEXT, documents=DOCUMENTS, llm_query=lambda p: "reply to " + p)
    space["llm_query_batched"] = lambda ps: ["reply to " + p for p in ps]
    for step in steps:
        tree, out = ast.parse(step), io.StringIO()
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            try:
                exec(compile(tree, "<step>", "exec", dont_inherit=True), space)
                value = None if last is None else eval(compile(ast.Expression(last.value), "<step>", "eval"), space)
                if value is not None:
                    print(value if isinstance(value, str) else repr(value))
            except SystemExit as error:
                if error.code:
                    print("RAISED SystemExit:", error)
            except BaseException as error:
                print("RAISED", ": ".join(filter(None, [type(error).__name__, str(error)])))
    return out.getvalue()

shown = {name: shown_by(steps) for name, steps in PROGRAMS.items()}
json.dump(shown, sys.stdout)
"""


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> dict[str, str]:
    """What CPython shows for the last step of each program."""
    script: Path = tmp_path_factory.mktemp("plain") / "run_plain.py"
    script.write_text(PLAIN)
    given = json.dumps([TEXT, DOCUMENTS, PROGRAMS])
    done = subprocess.run(
        [sys.executable, "-I", "-X", "utf8", script],
        input=given,
        capture_output=True,
        text=True,
        check=False,
        env={"OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def sandboxes() -> dict[bool, tuple[ProcessSandbox, Corpus]]:
    """Without named modules and with them; a corpus of its own for each, so that it is prepared once."""
    return {named: (ProcessSandbox(imports=NAMED if named else ()), Corpus.of(TEXT)) for named in (False, True)}


def answer(repl: Repl, event: HostCall) -> None:
    asked = event.call
    repl.reply(event.id, f"reply to {asked.prompt}" if isinstance(asked, LlmQuery) else 1)


async def shown_by(repl: Repl, steps: list[str]) -> str:
    """What the last one shows, or the first that raises, its error included."""
    shown = ""
    for step in steps:
        done = await repl.step([step], partial(answer, repl))
        assert isinstance(done, StepDone), done
        shown = done.output.head + done.output.tail
        if done.error is not None:
            return f"{shown}RAISED {done.error.message}\n"
    return shown


async def shown_in_one(repl: Repl, programs: dict[str, list[str]]) -> dict[str, str]:
    """All of them in one session, which is closed: to open one for each would take ten times as long."""
    await repl.step([f"documents = {DOCUMENTS!r}\nkept = {{*globals(), 'kept'}}"], partial(answer, repl))
    forget = "for name in {*globals()} - kept: del globals()[name]"
    shown = {name: await shown_by(repl, [forget, *steps]) for name, steps in programs.items()}
    await repl.close()
    return shown


def is_named(program: str) -> bool:
    """Whether it needs the modules that are named."""
    return program.startswith("numpy_pandas")


@pytest.fixture(scope="module")
def show(sandboxes) -> Callable[..., dict[str, str]]:
    """What these programs show in one confined REPL, with the named modules or without."""

    async def shown(programs: dict[str, list[str]], *, named: bool) -> dict[str, str]:
        sandbox, corpus = sandboxes[named]
        return await shown_in_one(await sandbox.open(corpus, SETTINGS), programs)

    return lambda programs, *, named: asyncio.run(shown(programs, named=named))


@pytest.fixture(scope="module")
def confined(show) -> dict[str, str]:
    """What each program shows in a confined REPL."""
    programs = [{name: PROGRAMS[name] for name in PROGRAMS if is_named(name) is named} for named in (False, True)]
    return show(programs[0], named=False) | show(programs[1], named=True)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_shows_what_it_shows_in_plain_cpython(name, confined, plain):
    assert confined[name] == plain[name]


HERE = "(this session has no files, network or other processes: all there is stands in its variables)"
REFUSED = {
    "open('out.txt', 'w')": f"PermissionError: [Errno 1] Operation not permitted: 'out.txt' {HERE}",
    "from pathlib import Path; Path('/data').exists()": HERE,
    "import os; os.listdir()": HERE,
    "import subprocess; subprocess.run(['ls'])": HERE,
    "import urllib.request; urllib.request.urlopen('http://example.com')": HERE,
    "import tempfile; tempfile.NamedTemporaryFile()": HERE,
    "import sqlite3; sqlite3.connect('a.db')": f"unable to open database file {HERE}",
    "import os; os.system('ls')": f"Operation not permitted {HERE}",
    "import urllib.request; urllib.request.urlopen('https://example.com')": f"unknown url type: https> {HERE}",
    "import http.client; http.client.HTTPSConnection('example.com')": HERE,
    "import socket; socket.gethostbyname('example.com')": HERE,
    "input('name? ')": "EOFError: there is no input in this session: write the value into the code",
    "!pip install tqdm": "(this is plain Python: it has no ! or % commands, and nothing can be installed)",
    "%timeit 1": "it has no ! or % commands",
    "from tqdm import tqdm": "No module named 'tqdm': nobody watches here: leave the progress bar out",
    "import unittest": "there is no test runner here: call what you want to try, and use `assert`",
    "import doctest; doctest.testmod()": "there is no test runner here",
    "from unittest.mock import Mock": "there is no test runner here",
    "from bs4 import BeautifulSoup": "No module named 'bs4': use html.parser, or re",
    "from rapidfuzz import fuzz": "use difflib",
    "from dateutil import parser": "use datetime.strptime, or re",
    "import psutil": "time.perf_counter tells how long",
    "import numpy": "No module named 'numpy': not available in the REPL; available: __future__, abc, ",
    "import requests": "No module named 'requests': there is no network here: all there is stands in the variables of ",
    "import multiprocessing": "there is one process here: use concurrent.futures.ThreadPoolExecutor",
    "from concurrent.futures import ProcessPoolExecutor; ProcessPoolExecutor(4)": "use concurrent.futures.Thread",
    "import nest_asyncio": "`await` works at top level here: await it, without asyncio.run",
    "import pdb; pdb.set_trace()": "nobody can answer here: print what you want to see",
}
REFUSED_WITH_PANDAS = {
    "import pandas as pd; pd.read_csv('/data/x.csv')": f"Operation not permitted: '/data/x.csv' {HERE}",
    "import numpy as np; np.save('x.npy', np.ones(2))": HERE,
    "import numpy as np; np.ones(10**10)": "MemoryError: Unable to allocate 74.5 GiB",
    "import numpy.nothing": "No module named 'numpy.nothing': not available in the REPL; available: numpy, pandas, ",
    "import polars": "No module named 'polars': not available in the REPL; available: numpy, pandas, __future__, ",
}


@pytest.fixture(scope="module")
def refused(show) -> dict[str, str]:
    """What each of them shows."""
    plain, with_pandas = ({code: [code] for code in codes} for codes in (REFUSED, REFUSED_WITH_PANDAS))
    return show(plain, named=False) | show(with_pandas, named=True)


@pytest.mark.parametrize("code", REFUSED)
def test_what_a_session_has_not_is_refused_in_words(code, refused):
    assert REFUSED[code] in refused[code]


@pytest.mark.parametrize("code", REFUSED_WITH_PANDAS)
def test_named_modules_refuse_in_words_too(code, refused):
    assert REFUSED_WITH_PANDAS[code] in refused[code]


WASI_GAPS = {
    "standard_library-alarm": "no signals",
    "standard_library-codec_base64": "no bz2",
    "standard_library-ctypes": "no ctypes",
    "standard_library-mmap": "no mmap",
    "standard_library-platform": "the platform is 'wasi', and its Python 3.14",
    "standard_library-sqlite_fts": "sqlite3 without fts5",
    "standard_library-stats": "the last digit of math.erf",
    "standard_library-zip": "no bz2 and lzma",
}
"""Programs that show something else in WebAssembly, and why."""


async def test_programs_show_the_same_in_wasi_but_for_the_gaps(wasi_component, plain):
    programs = {name: steps for name, steps in PROGRAMS.items() if not is_named(name)}  # there are none
    shown = await shown_in_one(await WasiSandbox().open(Corpus.of(TEXT), SETTINGS), programs)
    differing = {name: (shown[name], plain[name]) for name in programs if shown[name] != plain[name]}
    assert differing.keys() == WASI_GAPS.keys(), differing
