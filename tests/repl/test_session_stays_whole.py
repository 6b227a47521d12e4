"""What a session has from step to step: loops, threads and helpers, whatever code does to it."""

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
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from rlm_integrations.wire.steps import AnswerState


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
