from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("value", "described"),
    [
        ("'x' * 1234", "str 1,234 chars"),
        ("['a', 'b']", "list[str] 2"),
        ("[]", "list 0"),
        ("[[1]]", "list[list] 1"),
        ("(1,)", "tuple[int] 1"),
        ("{'a': 1}", "dict 1"),
        ("{1.5}", "set[float] 1"),
        ("42", "int 42"),
        ("10**50", "int of 167 bits"),
        ("1.5", "float 1.5"),
        ("True", "bool True"),
        ("None", "None"),
        ("b'abc'", "bytes 3"),
        ("range(9)", "range 9"),
        ("lambda: 1", "function"),
        ("print", "function"),
        ("[].append", "function"),
        ("int", "class"),
        ("object()", "object"),
        ("__import__('collections').deque([1, 2])", "deque[int] 2"),
        ("__import__('collections').Counter('abca')", "Counter 3"),
        ("search('plot', limit=2)", "Matches 2 of 3"),
        ("search('plot')", "Matches 3"),
        ("FailedSubCall('x')", "FailedSubCall 20 chars"),
    ],
)
def test_a_variable_is_told_with_type_and_size(library, value, described):
    assert library.step(f"v = {value}").variables == [f"v: {described}"]


def test_what_is_new_or_changed_is_told_and_nothing_else(repl):
    code = (
        "import json, re as regex\nfrom math import pi\n_hidden = 1\nrows = [1, 2]\nkept = 'x'\n"
        "for i, (a, b) in enumerate([(1, 2)]):\n    last = a\n"
        "with __import__('contextlib').nullcontext(3) as three: pass\nsquares = [n * n for n in rows]"
    )
    assert repl.step(code).variables == [
        "pi: float 3.141592653589793",
        "rows: list[int] 2",
        "kept: str 1 chars",
        "last: int 1",
        "squares: list[int] 2",
    ]
    assert repl.step("x = kept").variables == ["x: str 1 chars"]
    assert repl.step("print(rows)").variables == []


def test_changes_in_place_count(repl):
    repl.step("rows = [1]\nnotes = {}\nseen = set()\nname = 'a'")
    assert repl.step("rows.append(2)\nnotes['k'] = 1").variables == ["rows: list[int] 2", "notes: dict 1"]
    assert repl.step("seen |= {1}\nrows[-1] = 'z'\nname = 'b'").variables == [
        "rows: list[int] 2",
        "seen: set[int] 1",
        "name: str 1 chars",
    ]
    assert repl.step("for _ in range(3):\n    rows = [_]").variables == ["rows: list[int] 1"]


def test_a_value_at_the_same_address_is_still_seen_to_have_changed(repl):
    repl.step("x = [1]")
    assert repl.step("x = [2]\nx = [3]").variables == ["x: list[int] 1"]


def test_a_name_that_is_looped_over_and_also_set_is_told(repl):
    assert repl.step("for n in range(3): pass\nn = 7").variables == ["n: int 7"]


def test_what_was_bound_before_an_error_is_told(repl):
    done = repl.step("ends = {}\nfor d in [{'plot': 1}, {}]:\n    ends[d['plot']] = d")
    assert done.variables == ["ends: dict 1"]


def test_at_most_twelve_are_named(repl):
    done = repl.step("\n".join(f"v{number} = {number}" for number in range(15)))
    assert len(done.variables) == 13
    assert done.variables[0] == "v0: int 0"
    assert done.variables[-1] == "and 3 more"


def test_the_answer_is_no_variable_and_helpers_are_told_only_when_rebound(library):
    assert library.step("answer['content'] = 'x'").variables == []
    assert library.step("def chunks(): pass").variables == ["chunks: function"]
    assert library.step("del search").variables == []
    assert library.step("kept = len(search('plot'))").variables == ["kept: int 3"]  # it was put back
    assert library.step("context = 1").variables == ["context: int 1"]


def test_values_are_described_without_running_their_code(repl):
    repl.step("ran = []")
    code = (
        "class Sly(list):\n"
        "    def __len__(self): ran.append(1); return 0\n"
        "    __iter__ = __repr__ = __getitem__ = __eq__ = __hash__ = __len__\n"
        "s = Sly([1, 2])"
    )
    assert repl.step(code).variables == ["Sly: class", "s: Sly[int] 2"]
    assert repl.value("ran") == "[]"


def test_show_vars_lists_the_models_variables(library):
    assert library.value("SHOW_VARS()") == "(none)"
    library.step("rows = [1]\ndef f(): pass\nimport json")
    assert library.value("SHOW_VARS()") == "rows: list[int] 1\nf: function"
    assert library.value("print(SHOW_VARS())") == "rows: list[int] 1\nf: function"


def test_what_was_imported_by_name_is_not_a_variable_of_the_models(repl):
    done = repl.step(
        "from collections import defaultdict, Counter\nfrom math import floor\nfrom textwrap import shorten\n"
        "class Mine: pass\ndef own(): pass\nn = floor(2.5)"
    )
    assert done.variables == ["Mine: class", "own: function", "n: int 2"]
