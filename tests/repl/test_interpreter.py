"""Blocks of code run one after the other: what they print, raise and leave."""

from __future__ import annotations

import json
import warnings

import pytest

from rlm_integrations.wire.steps import AnswerState, CodeError


def test_every_block_runs_in_order_until_one_raises(repl):
    done = repl.step("x = 1\nx", "x += 1\nx", "raise ValueError('no')", "x = 99")
    assert done.output == "1\n2\n"
    assert done.error == CodeError(3, 1, "raise ValueError('no')", "ValueError: no", "raised")
    assert repl.value("x") == "2"


def test_every_block_runs_in_order_until_one_sets_the_answer_ready(repl):
    done = repl.step("x = 1", "answer['content'] = 'done'; answer['ready'] = True", "x = 2")
    assert done.answer == AnswerState(ready=True, content="done", is_json=False, refused=None)
    assert repl.value("x") == "1"


def test_the_outcome_is_plain_json(repl):
    done = repl.interpreter.run(["x = {1}\nprint('a')\n1/0"]).to_json()
    assert json.loads(json.dumps(done)) == done


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("0", "0\n"),
        ("None", ""),
        ("'a\\nb'", "a\nb\n"),
        ("['a', None]", "['a', None]\n"),
        ("x = 5", ""),
        ("False;", "False\n"),
        ("if True:\n    7", ""),
        ("print('a', end='')\n'b'", "ab\n"),
    ],
)
def test_the_value_of_a_trailing_expression_is_shown(repl, code, shown):
    assert repl.step(code).output == shown


def test_nothing_of_a_block_with_a_syntax_error_runs(repl):
    done = repl.step("y = 1", "y = 2\nprint('no')\nfor in x:\n    pass")
    assert done.error is not None
    assert (done.error.kind, done.error.block, done.error.line) == ("syntax", 2, 3)
    assert done.error.source == "for in x:"
    assert done.error.message == "SyntaxError: invalid syntax"
    assert done.output == ""
    assert repl.value("y") == "1"


@pytest.mark.parametrize("code", ["x = 1\0", "x = '\ud800'", "(" * 5_000, "return 1"])
def test_sources_that_cannot_be_compiled_are_errors_of_the_step(repl, code):
    done = repl.step(code)
    assert done.error is not None
    assert done.error.kind == "syntax"
    assert repl.value("1") == "1"


def test_names_and_output_before_an_exception_are_kept(repl):
    done = repl.step("total = 3\nprint('so far')\ntotal += missing\ntotal = 0")
    assert done.output == "so far\n"
    assert done.error is not None
    assert done.error.line == 3
    assert done.error.message == "NameError: name 'missing' is not defined"
    assert repl.value("total") == "3"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("exit('no year found')", "SystemExit: no year found"),
        (
            "e = ValueError('bad row')\ne.add_note('in line 7')\ne.add_note('of a.csv')\nraise e",
            "ValueError: bad row\nin line 7\nof a.csv",
        ),
        ("e = ValueError()\ne.__notes__ = 7\nraise e", "ValueError"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("raise BaseException('odd')", "BaseException: odd"),
        ("assert 1 == 2, 'no year found'", "AssertionError: no year found"),
        ("{}['plot']", "KeyError: 'plot'"),
        (
            "raise ExceptionGroup('two', [ValueError('a'), KeyError('b')])",
            "ExceptionGroup: two (2 sub-exceptions): ValueError: a; KeyError: 'b'",
        ),
    ],
)
def test_any_exception_is_an_ordinary_error_of_the_step(repl, code, message):
    assert repl.failure(code) == message
    assert repl.value("'alive'") == "alive"


@pytest.mark.parametrize("leave", ["exit()", "quit()", "import sys; sys.exit()", "import sys; sys.exit(0)"])
def test_code_that_leaves_has_ended_and_not_failed(repl, leave):
    done = repl.step("x = 1", f"print(x)\n{leave}\nprint(2)")
    assert (done.output, done.error) == ("1\n", None)
    done = repl.step(f"FINAL(x)\n{leave}", "x = 2")
    assert (done.error, done.answer.ready, done.answer.content) == (None, True, "1")


def test_blocks_that_were_not_run_since_one_left_are_told(repl):
    done = repl.step("exit()", "x = 2")
    assert done.error is not None
    assert (done.error.block, done.error.line, done.error.message) == (1, 1, "SystemExit: None")


def test_a_recursion_limit_that_code_has_raised_stays_for_its_later_steps(repl):
    repl.step("import sys\nsys.setrecursionlimit(sys.getrecursionlimit() + 4_000)")
    repl.step("def depth(n): return n and 1 + depth(n - 1)")
    assert repl.value("depth(3_000)") == "3000"
    repl.step("limit = sys.getrecursionlimit()\nsys.setrecursionlimit(100)")
    assert repl.value("sys.getrecursionlimit() < limit, depth(200)") == "(True, 200)"


def test_a_corpus_that_code_unbound_is_there_again_and_one_that_it_bound_anew_is_its_own(library):
    library.step("try: 1 / 0\nexcept ZeroDivisionError as context: pass")
    assert library.value("len(context)") == "3"
    library.step("context = context[:1]")
    assert library.value("len(context)") == "1"


WORDS = {
    "pip install tqdm": "SyntaxError: invalid syntax (this is plain Python: it has no ! or % commands, and nothing can",
    "files = !ls": "it has no ! or % commands",
    "import asyncio\nasync def f(): pass\nasked = f()\nasync def g():\n    try: asyncio.run(asked)\n"
    "    finally: asked.close()\nawait g()": "from a running event loop (await it instead)",
}


@pytest.mark.parametrize("code", WORDS)
def test_what_is_not_so_in_a_notebook_is_told(repl, code):
    assert WORDS[code] in repl.failure(code)


def test_the_error_line_is_the_innermost_of_the_models_own_code_in_this_block(repl):
    repl.step("def earlier(f):\n    return f()")
    done = repl.step("import json\ndef inner():\n    return json.loads('{')\nearlier(inner)")
    assert done.error is not None
    assert (done.error.line, done.error.source) == (3, "return json.loads('{')")
    done = repl.step("def fails():\n    raise ValueError", "x = 1\nearlier(fails)")
    assert done.error is not None
    assert (done.error.block, done.error.line, done.error.source) == (2, 2, "earlier(fails)")


def test_a_repr_that_raises_points_to_the_expression_that_was_shown(repl):
    repl.step("class Bad:\n    def __repr__(self):\n        raise OSError('no repr')")
    done = repl.step("b = Bad()\n\nb")
    assert done.error is not None
    assert (done.error.line, done.error.message) == (3, "OSError: no repr")


def test_messages_of_hostile_exceptions_are_built_safely(repl):
    repl.step(
        "class Hostile(Exception):\n"
        "    def __str__(self): raise RuntimeError('ha')\n"
        "    __traceback__ = property(lambda self: 1/0)\n"
        "    __class__ = property(lambda self: 1/0)"
    )
    done = repl.step("x = 1\nraise Hostile")
    assert done.error is not None
    assert done.error.message == "Hostile: (its text cannot be read)"
    assert done.error.line == 2
    assert len(repl.failure("raise ValueError('x' * 10**6)")) == 2_000
    done = repl.step("raise ValueError('a')  #" + "z" * 1_000)
    assert done.error is not None
    assert len(done.error.source) == 200


def test_deep_recursion_is_recorded(repl):
    assert repl.failure("def f(n): return f(n + 1)\nf(0)").startswith("RecursionError")


def test_tracebacks_and_getsource_show_the_models_lines(repl):
    repl.step("def double(x):\n    return x * 2")
    shown = repl.value("import traceback\ntry:\n    double(None)\nexcept TypeError:\n    traceback.print_exc()")
    assert "return x * 2" in shown
    assert 'File "<step 1 block 1>", line 2, in double' in shown
    assert repl.value("import inspect\ninspect.getsource(double)") == "def double(x):\n    return x * 2\n"


def test_a_syntax_warning_is_given_once_and_is_no_error(repl):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        done = repl.step("import re\nx = re.findall('\\d', 'a1')\nx is 5\nx")
    assert done.error is None
    assert done.output == "['1']\n"
    assert sorted(str(warning.message)[:7] for warning in caught) == ['"is" wi', "invalid"]


def test_a_filtered_list_of_matches_prints_as_the_matches_do(library):
    hits = library.step("hits = search('plot', limit=None)\nhits").output
    assert library.step("[m for m in hits if m]").output.splitlines()[:-1] == hits.splitlines()[:-1]
