"""Whatever names the model's code takes, a Monty session stays right; those of the session's own it cannot take."""

from __future__ import annotations

import builtins
import re
import symtable
from pathlib import Path

import pytest

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.sandboxes.monty import run_prelude
from rlm_integrations.sandboxes.monty.sandbox import MontySandbox
from rlm_integrations.wire.calls import LlmMap, Retrieve
from rlm_integrations.wire.steps import StepDone
from rlm_integrations.wire.typed_maps import read_map

PRELUDE = "\n".join(
    path.read_text("utf-8") for path in sorted(Path(run_prelude.__file__).with_name("prelude").glob("*.txt"))
)
OWN = sorted(set(re.findall(r"\b_rlm_\w+", PRELUDE)))
"""Every name of the session's own, those that the host answers to as well."""

SHORT = [name.removeprefix("_rlm") for name in OWN]
TAKEN = [*SHORT, *(name[1:] for name in SHORT if hasattr(builtins, name[1:]))]
"""The same as a helper of the model's may be called; and the builtins that the prelude is made of."""

DOCUMENTS = [{"id": "one", "text": "a b", "metadata": {"n": 1}}, {"id": "two", "text": "b c", "metadata": {}}]

BINDINGS = {
    "a variable": "{0} = 5",
    "a text": "{0} = 'text'",
    "a function": "def {0}(*args, **kwargs): return 5",
    "a class": "class {0}:\n    pass",
    "a function of one argument": "{0} = lambda value: value",
    "a loop": "for {0} in ['a', 'b']: pass",
    "a module": "import math as {0}",
    "an imported function": "from math import floor as {0}",
    "a pattern": "match [1]:\n    case [*{0}]: pass",
    "another function's doing": "def bind():\n    global {0}\n    {0} = 5\nbind()",
    "exec": "exec('{0} = 5')\nNone",
}

USES = (
    *(
        "search('b')",
        "search('b')[0]",
        "hits = search('(?P<x>b)', docs='two')\nhits[0]['x'], hits.total",
        "search('none')",
    ),
    *(
        "chunks(size=4)",
        "chunks(search('c'))",
        "cite('b  c')",
        "cite('a', search('a')[0])",
        "cite('nowhere')",
        "context",
    ),
    *("retrieve('q')", "look_up('x', k={'y': [1, (2,)]})", "look_up(search)"),
    *("llm_query('q', context)", "llm_query('q', search('c'))", "llm_query(5)", "llm_query_batched(['a', 'b'])"),
    *(
        "rlm_query('q', context[0])",
        "rlm_query_batched(['a', ('b', context[0])])",
        "llm_map('say', [search('b')[0], context[1], 'x'])",
    ),
    *(
        "found = llm_map('say', ['a', '?'], 'str', check=lambda text: 'b' in text or 'no b')\nfound, found.unresolved",
        "found[0] = 'b'\n[found.ask_again(), found.drop_unresolved()]",
        "llm_filter('so', ['a', 'b', '?']), llm_pairs('so', ['a', 'b', '?'], ['c'])",
        "drop_unresolved()",
    ),
    *("llm_reduce('say')", "llm_reduce('say', search('c'))"),
    *("kept = {'a': [1, (2, None)], 'b': 'x' * 30}\nkept", "kept['c'] = search('a')", "[5] * 9_000"),
    *("FINAL('done')", "FINAL({'a': {1}, 2: ('b', 1.5)})", "FINAL_VAR('kept')", "FINAL_VAR('nothing')"),
    *("answer['content'] = ['é', {'k': None}]\nanswer['ready'] = True", "answer = 'a text'", "answer = search"),
    *("loop = []\nloop.append(loop)\nFINAL(loop)", "exit(3)", "undefined_name", "1 / 0"),
)


@pytest.fixture
async def open_monty(settings, attach):
    opened = []

    async def open_():
        given = settings(retriever=True, tools=("look_up",), max_output_chars=2_000)
        repl = await MontySandbox().open(Corpus.of(DOCUMENTS), given)
        opened.append(repl)
        return attach(repl, _answer)

    yield open_
    for repl in opened:
        await repl.close()


def _answer(call):
    if isinstance(call, Retrieve):
        return [{"id": "three", "text": "c d", "metadata": {}}]
    if isinstance(call, LlmMap):
        items = read_map(call.sent)[1]
        values = [[item.index, item.text] for item in items if "?" not in item.text]
        return {"map": 3, "values": values, "left": [[item.index, "?"] for item in items if "?" in item.text]}
    prompt = getattr(call, "prompt", "")
    return f"reply to {prompt}" if prompt else 1


async def _outcomes(session):
    outcomes = {}
    for code in USES:
        done = await session.run(code)
        assert isinstance(done, StepDone), (code, done)
        outcomes[code] = done
    return outcomes, session.calls


@pytest.fixture
async def untouched(open_monty):
    """What a session shows, told to and asked of the host where the model has bound nothing."""
    return await _outcomes(await open_monty())


@pytest.mark.parametrize("binding", BINDINGS)
async def test_no_name_that_code_takes_changes_what_the_functions_do(open_monty, untouched, binding):
    session = await open_monty()
    for name in TAKEN:
        done = await session.run(BINDINGS[binding].format(name))
        assert isinstance(done, StepDone), (name, done)
        assert done.error is None, (name, done.error)
    outcomes, calls = await _outcomes(session)
    assert calls == untouched[1]
    for code, expected in untouched[0].items():
        assert outcomes[code] == expected, code
    done = await session.run("shown = SHOW_VARS()\nFINAL_VAR('shown')")
    assert {"kept: dict 3", "hits: Matches 1"} <= {*done.answer.content.split("\n")}


def test_the_uses_are_of_all_the_kinds_that_there_are():
    """What the test above compares is not all the same, and the names are really those of the prelude."""
    assert len(OWN) > 80
    assert {"_plain", "_docs", "_answer_state", "_changed", "_bool", "_Match", "_host_search", "_names"} <= {*SHORT}
    assert {"len", "isinstance", "TypeError", "eval"} <= {*TAKEN}
    defined = set(re.findall(r"^def (\w+)", PRELUDE, re.M)) - {*OWN} - {"len", "isinstance", "quit", "SHOW_VARS"}
    assert {name for name in defined if not any(f"{name}(" in use for use in USES)} == set()


def test_functions_of_the_prelude_read_no_name_that_code_can_take():
    read = set()
    scopes = [*symtable.symtable(PRELUDE, "prelude", "exec").get_children()]
    while scopes:
        scope = scopes.pop()
        scopes += scope.get_children()
        read |= {symbol.get_name() for symbol in scope.get_symbols() if symbol.is_global()}
    assert {name for name in read if not name.startswith("_rlm_")} == {"answer"}


REFUSED = {
    "_rlm_plain = 5": 1,
    "x = 1\n_rlm_plain += 5": 2,
    "_rlm_plain: int = 5": 1,
    "def _rlm_plain(): pass": 1,
    "async def _rlm_plain(): pass": 1,
    "class _rlm_plain: pass": 1,
    "def f(_rlm_plain): pass": 1,
    "f = lambda *_rlm_plain: 5": 1,
    "import math\nimport math as _rlm_plain": 2,
    "from math import floor as _rlm_plain": 1,
    "for a, [_rlm_plain] in []: pass": 1,
    "try: 1 / 0\nexcept ZeroDivisionError as _rlm_plain: pass": 2,
    "match 1:\n    case _rlm_plain: pass": 2,
    "match [1]:\n    case [*_rlm_plain]: pass": 2,
    "match {}:\n    case {**_rlm_plain}: pass": 2,
    "def f():\n    global _rlm_plain": 2,
    "[(_rlm_plain := n) for n in [1]]": 1,
    "f'{(_rlm_plain := 1)}'": 1,
    "_rlm_held.clear()": 1,
    "_\uff52lm_plain = 5": 1,  # the same name to Python: a full-width r
    "x = = 2\n_rlm_plain = 5": None,
}


@pytest.mark.parametrize("code", REFUSED)
async def test_code_that_uses_a_name_of_the_sessions_own_is_refused_before_it_runs(open_monty, code):
    session = await open_monty()
    done = await session.run(f"{code}\nran = True")
    assert isinstance(done, StepDone)
    assert done.error is not None
    name = "_rlm_held" if "held" in code else "_rlm_plain"
    assert done.error.message == (
        f"NameError: the name {name!r} is not for your code, for those that begin with _rlm_ are the session's own; "
        "choose another. Nothing was run"
    )
    assert (done.error.kind, done.error.line) == ("syntax", REFUSED[code])
    assert (await session.error("ran")).startswith("NameError")


async def test_texts_and_attributes_may_be_called_as_the_sessions_own(open_monty):
    session = await open_monty()
    assert await session.value("search('_rlm_plain')") == "(no match in 2 documents)"
    assert await session.value("class A: pass\na = A()\na._rlm_plain = 5\na._rlm_plain") == "5"


async def test_a_session_that_its_code_spoils_by_design_is_not_lost(open_monty):
    for value in ("5", "lambda *args: 5", "lambda *args: ('dict',)"):
        session = await open_monty()
        for name in ("_rlm_show", "_rlm_changed", "_rlm_answer_state", "_rlm_names", "_rlm_own"):
            assert isinstance(await session.run(f"exec({f'{name} = {value}'!r})\nNone"), StepDone)
        done = await session.run("print('alive')\nanswer['content'] = 'x'\nanswer['ready'] = True")
        assert isinstance(done, StepDone)
        assert done.output.head == "alive\n"
        assert not done.answer.ready
        assert done.answer.refused.startswith("reading it failed: ")
        assert done.answer.refused.endswith("; it is empty again")
