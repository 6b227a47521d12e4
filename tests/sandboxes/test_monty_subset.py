"""Every statement that the root LM reads about Monty's Python is true of the real VM."""

from __future__ import annotations

import re
import sys

import pytest

from rlm_integrations import RLMEngine
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.sandboxes.monty.sandbox import MontySandbox
from rlm_integrations.sandboxes.monty.subset import MODULES, SUBSET
from rlm_integrations.testing import ScriptedModel
from rlm_integrations.wire.steps import ReplLost

MISSING = {
    "class inheritance": "class A: pass\nclass B(A): pass",
    "exceptions of your own": "class E(Exception): pass",
    "`yield`": "def g():\n    yield 1",
    "`del`": "x = {1: 2}\ndel x[1]",
    "decorators on methods": "class A:\n    @property\n    def p(self): return 1",
    "`except*`": "try: pass\nexcept* KeyError: pass",
    "`async with`": "async def f(x):\n    async with x: pass",
    "`callable`": "callable(len)",
    "`dir`": "dir()",
    "`globals`": "globals()",
    "`vars`": "vars()",
    "`input`": "input()",
    "`str.translate`": "'a'.translate({97: 'b'})",
    "`re.sub` with a function": "import re\nre.sub('a', lambda m: 'b', 'a')",
    "threads": "import threading",
    "files": "open('notes.txt')",
    "`map`": "list(map(llm_query, ['a']))",
    "a `key=`": "sorted(['a'], key=llm_query)",
    "`__repr__`": "class A:\n    def __repr__(self): return llm_query('a')\nprint(A())",
}
THERE = {
    "(use `.pop`)": "x = {1: 2}\nx.pop(1)",
    "plain code, loops and comprehensions": "[llm_query(p) for p in ['a']], {p: llm_query(p) for p in 'b'}",
}


@pytest.fixture
async def session(settings, attach):
    repl = await MontySandbox().open(Corpus.of("text"), settings(step_timeout_s=1.0))
    yield attach(repl)
    await repl.close()


async def test_what_is_said_to_be_missing_is_missing(session):
    for words, code in MISSING.items():
        assert words in SUBSET
        assert await session.error(code), words


async def test_what_is_said_to_be_there_is_there(session):
    for words, code in THERE.items():
        assert words in SUBSET
        assert await session.value(code), words


async def test_the_modules_are_these_and_no_others(session):
    tried = sorted(name for name in sys.stdlib_module_names if re.fullmatch(r"[a-z]\w*", name) and name != "posixpath")
    loop = "\n".join(f"try:\n    import {name}\n    found.append({name!r})\nexcept ImportError: pass" for name in tried)
    assert await session.value(f"found = []\n{loop}\nfound") == str(sorted({*MODULES} & {*tried}))
    assert {*MODULES} <= {*tried}
    assert (await session.error("import threading")).endswith(f"; this session has only {', '.join(MODULES)}")


LONG = {
    "a regular expression": ("search('(a+)+$', 'a' * 50 + 'b')",),
    "giant numbers": ("len(str((10**100_000) ** 1_000)) and (7**10_000_000) % 10",),
    "after several blocks": ("x = 5\nfor n in range(10**12):\n    if time.monotonic() > end: break",) * 5,
}


@pytest.mark.parametrize("words", LONG)
async def test_what_is_said_to_lose_all_variables_can(session, words):
    assert "may lose all variables." in SUBSET
    assert words in SUBSET
    await session.run("import time\nkept = 5\nend = 0")
    blocks = [f"end = time.monotonic() + 0.9\n{code}" for code in LONG[words]]
    assert isinstance(await session.run(*blocks), ReplLost)


def test_the_root_lm_is_told():
    with ScriptedModel(["```repl\nFINAL(len(context))\n```"]) as llm:
        result = RLMEngine(llm, sandbox="monty", limits={"inline_chars": 0}).run("How long?", "twelve chars")
    assert result.answer == "12"
    system = llm.requests[0][0].content
    assert SUBSET in system
    assert system.index("`answer`: ") < system.index(SUBSET) < system.index("Two replies are often enough")
    with ScriptedModel(["```repl\nFINAL(len(context))\n```"]) as llm:
        RLMEngine(llm, sandbox="monty", system_prompt="Use `context`.", instructions="Hurry.").run("How long?", "text")
    assert llm.requests[0][0].content == f"Use `context`.\n\n{SUBSET}\n\nFurther instructions:\nHurry."
    with ScriptedModel(["```repl\nFINAL(len(context))\n```"]) as llm:
        RLMEngine(llm, sandbox="process", limits={"inline_chars": 0}).run("How long?", "twelve chars")
    assert "subset of Python" not in llm.requests[0][0].content
