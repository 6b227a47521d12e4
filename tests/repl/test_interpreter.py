from __future__ import annotations

import ast
import asyncio
import builtins
import inspect
import json
import linecache
import re
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

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


def test_top_level_await_and_asyncio_run_work_in_any_order(repl):
    repl.step("import asyncio\nasync def twice(x):\n    await asyncio.sleep(0)\n    return 2 * x")
    assert repl.value("asyncio.run(twice(1))") == "2"
    assert repl.value("a = await twice(2)\nawait asyncio.gather(*[twice(i) for i in range(3)])") == "[0, 2, 4]"
    assert repl.value("asyncio.run(twice(a))") == "8"
    assert repl.value("asyncio.get_event_loop().run_until_complete(twice(5))") == "10"
    done = repl.step("x = 1\nawait twice(None)")
    assert done.error is not None
    assert done.error.line == 2
    assert repl.value("await twice('ab')") == "abab"


def test_an_awaited_task_lives_on_from_step_to_step(repl):
    repl.step(
        "import asyncio\nasync def soon():\n    return 'done'",
        "task = asyncio.ensure_future(soon())\nawait asyncio.sleep(0)",
    )
    assert repl.value("await task") == "done"


def test_pickle_dataclasses_and_typing_work_as_in_main(repl):
    repl.step("import pickle, typing\nfrom dataclasses import dataclass\n@dataclass\nclass Plot:\n    n: 'int'")
    assert repl.value("pickle.loads(pickle.dumps(Plot(7)))") == "Plot(n=7)"
    assert repl.value("typing.get_type_hints(Plot)") == "{'n': <class 'int'>}"
    assert repl.value("import __main__\n__main__.Plot is Plot, __name__") == "(True, '__main__')"


def test_code_is_not_touched_by_the_sessions_own_future_imports(repl):
    assert repl.value("def f(x: int): pass\nf.__annotations__") == "{'x': <class 'int'>}"


def test_threads_print_and_return(repl):
    code = "from concurrent.futures import ThreadPoolExecutor\ndef say(i):\n    print('line', i)\n    return i * i\n"
    done = repl.step(
        code + "with ThreadPoolExecutor(4) as pool:\n    squares = list(pool.map(say, range(20)))\nsum(squares)"
    )
    assert done.error is None
    assert sorted(done.output.splitlines()) == sorted([f"line {i}" for i in range(20)] + ["2470"])


def test_input_says_that_nobody_types(repl):
    assert (
        repl.failure("input('name? ')") == "EOFError: there is no input in this session: write the value into the code"
    )


HARM = [
    "import json; json.dumps = json.JSONEncoder = json.loads = None",
    "import sys; sys.stdout = None; sys.stderr = None; sys.stdin = None",
    "import sys; del sys.stdout",
    "import sys; sys.stdout.close()",
    "print = None",
    "import builtins\nbuiltins.print = builtins.isinstance = builtins.repr = builtins.len = None",
    "import builtins\nvars(builtins).clear()",
    "import builtins\nbuiltins.len, builtins.repr = builtins.repr, builtins.len",
    "import builtins\nbuiltins.of_the_model = builtins.__dict__.pop('sorted')",
    "import sys; sys.setrecursionlimit(10**6)",
    "import sys; sys.setrecursionlimit(60)",
    "import sys; sys.settrace(lambda *a: 1/0)",
    "import sys; sys.setprofile(lambda *a: 1/0)",
    "del answer",
    "answer = 5",
    "answer = None",
    "context = None",
    "search = None",
    "del search, chunks, cite, llm_query",
    "del __name__; __builtins__ = None",
    "import sys; sys.modules.pop('__main__')",
    "import sys; sys.modules['__main__'] = sys",
    "import re; re.compile = re.escape = re.Pattern = None",
    "import linecache, ast, inspect, asyncio\nlinecache.cache = None; ast.parse = None; asyncio.new_event_loop = None",
    "globals()[5] = 1; globals()['no name'] = 2",
    "globals().clear()",
    "class Odd(dict):\n    def __getitem__(self, k): 1/0\n    get = None\n    def __bool__(self): 1/0\nanswer = Odd()",
    "class NoBool:\n    def __bool__(self): 1/0\nanswer['ready'] = NoBool()",
    "class NoSize(list):\n    __len__ = __iter__ = __repr__ = property(lambda self: 1/0)\nz = NoSize()",
    "class Meta(type):\n    __name__ = property(lambda self: 1/0)\nclass Odd(metaclass=Meta): pass\nz = Odd()",
    "class Deceit:\n    __class__ = property(lambda self: 1/0)\nz = Deceit()",
]


@contextmanager
def mended() -> Iterator[None]:
    """Puts right in this process what harmful code did to its modules."""
    modules = (ast, asyncio, builtins, inspect, json, linecache, re)
    mend = [(vars(module).update, dict(vars(module))) for module in modules]
    try:
        yield
    finally:
        for update, saved in mend:
            update(saved)


@pytest.mark.parametrize("harm", HARM)
def test_nothing_that_model_code_does_breaks_the_next_step(library, harm):
    with mended():
        library.step(harm)
        # what a name was bound to is the model's own affair
        library.step("for name in ('search', 'print'):\n    globals().pop(name, None)")
        done = library.step("print('a', len('bc'))\nx = [1]\nsearch('river').total", "FINAL({'found': x})")
    assert done.error is None
    assert done.output == "a 2\n1\n"
    assert done.answer == AnswerState(ready=True, content='{"found": [1]}', is_json=True)
    assert "x: list[int] 1" in done.variables


def test_a_redefined_helper_and_context_stay_as_the_model_left_them(library):
    done = library.step("def search(x):\n    return 'mine'\ncontext = context[:1]")
    assert done.variables == ["search: function", "context: list[dict] 1"] or done.variables == [
        "context: list[dict] 1",
        "search: function",
    ]
    assert library.value("search(1), len(context)") == "('mine', 1)"


def test_sub_calls_exist_from_depth_1_on(open_repl):
    names = [
        "llm_query",
        "llm_query_batched",
        "llm_map",
        "llm_reduce",
        "rlm_query",
        "rlm_query_batched",
        "recursive_llm",
        "FailedSubCall",
    ]
    code = f"[name for name in {names!r} if name in globals()]"
    assert open_repl(depth=0).value(code) == "[]"
    assert open_repl(depth=1).value(code) == repr(names)


def test_context_is_the_very_object_that_was_passed(open_repl):
    text = "abc" * 1_000
    assert open_repl(text).value(f"id(context) == {id(text)}, type(context)") == "(True, <class 'str'>)"
    documents = [{"id": "a", "text": "x", "metadata": {}}]
    assert open_repl(documents).value(f"id(context) == {id(documents)}, type(context)") == "(True, <class 'list'>)"
    assert open_repl(None).value("context is None") == "True"


def test_a_thread_that_outlives_its_step_prints_into_the_next(repl):
    repl.step("import threading\ngo = threading.Event()\ndone = threading.Event()")
    repl.step(
        "def late():\n    go.wait()\n    print('late')\n    done.set()\nt = threading.Thread(target=late)\nt.start()"
    )
    namespace = sys.modules["__main__"].__dict__
    repl.host.head.clear()
    namespace["go"].set()
    assert namespace["done"].wait(10)
    assert repl.host.head == []
    assert repl.value("t.join()") == "late"


def test_the_session_has_no_loop_of_its_own_until_code_asks(repl):
    before = threading.active_count()
    repl.step("x = 1")
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()
    assert threading.active_count() == before


def test_a_filtered_list_of_matches_prints_as_the_matches_do(library):
    hits = library.step("hits = search('plot', limit=None)\nhits").output
    assert library.step("[m for m in hits if m]").output.splitlines()[:-1] == hits.splitlines()[:-1]
