"""Typed maps as code meets them: what is asked of the host, what is checked, and what is done about what is missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rlm_integrations.repl.host_port import HostRefusalError
from rlm_integrations.wire.typed_maps import MapItem, MapTask, read_items, read_map


def scripted(value: Callable[[MapItem], Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A host that finds for each item what `value` says; a ValueError is why there is none."""

    def answer(payload: dict[str, Any]) -> dict[str, Any]:
        values: list[list[Any]] = []
        left: list[list[Any]] = []
        for item in read_map(payload["sent"])[1]:
            try:
                values.append([item.index, value(item)])
            except ValueError as why:
                left.append([item.index, str(why)])
        return {"map": payload["map"] or 1, "values": values, "left": left}

    return answer


def asked(host: Any) -> list[tuple[MapTask, list[MapItem]]]:
    return [read_map(payload["sent"]) for payload in host.asked("llm_map")]


def told(host: Any) -> list[list[tuple[str, str]]]:
    """What was said to be left, each time."""
    return [[(item.name, item.why) for item in read_items(payload["left"])] for payload in host.asked("map_left")]


def unknown(item: MapItem) -> str:
    if "?" in item.text:
        raise ValueError("no reply for this item")
    return item.text.upper()


def test_each_item_has_its_value_in_order(repl, host):
    assert repl.value("llm_map('Shout.', ['a', 'b', 'c'])") == "['A', 'B', 'C']"
    assert asked(host) == [(MapTask("map", "Shout."), [MapItem(0, "a"), MapItem(1, "b"), MapItem(2, "c")])]


def test_items_may_be_documents_matches_and_rows(library):
    assert library.value("llm_map('Shout.', [context[2], search('rent: \\\\d+')[0], {'name': 'x', 'year': 3}])") == (
        """['PLOT 7 WAS LOST TO THE RIVER.', 'RENT: 40', '{"NAME": "X", "YEAR": 3}']"""
    )


def test_what_has_no_value_is_none_and_is_said_wherever_the_list_is_shown(repl, host):
    host.answers["llm_map"] = scripted(unknown)
    shown = "['A', None, 'B', None]\n(2 unresolved, so None: 1, 3; see .unresolved)"
    assert repl.value("found = llm_map('Shout.', ['a', '?', 'b', '?'])\nfound") == shown
    assert repl.value("print(found)") == shown.replace("\n", " ")
    assert repl.value("found.unresolved") == "{1: 'no reply for this item', 3: 'no reply for this item'}"
    assert repl.value("SHOW_VARS()") == "found: MapResults[str] 4, 2 unresolved"
    assert repl.value("print(len(found), found[1] is None, isinstance(found, list), sorted(filter(None, found)))") == (
        "4 True True ['A', 'B']"
    )


def test_a_value_that_code_puts_in_settles_the_item(repl, host):
    host.answers["llm_map"] = scripted(unknown)
    repl.step("found = llm_map('Shout.', ['a', '?', '?'])\nfor i in found.unresolved:\n    found[i] = f'by hand {i}'")
    assert repl.value("print(found, found.unresolved)") == "['A', 'by hand 1', 'by hand 2'] {}"
    assert told(host) == [[("2", "no reply for this item")], []]
    assert repl.value("found.ask_again()") == "['A', 'by hand 1', 'by hand 2']"
    repl.step("found[-3] = 'B'\nfound[0:1] = ['C']\nfound[1] = None")
    assert len(told(host)) == 2


def test_what_is_unresolved_can_be_dropped_by_name_or_all_at_once(repl, host):
    host.answers["llm_map"] = scripted(unknown)
    assert repl.value("llm_map('Shout.', ['a', '?']).drop_unresolved()") == "['A', None]"
    repl.step("drop_unresolved()")
    assert host.asked("map_left") == [{"map": 1, "left": "\n"}, {"map": 0, "left": "\n"}]


def test_what_is_unresolved_can_be_asked_again(repl, host):
    host.answers["llm_map"] = scripted(unknown)
    repl.step("found = llm_map('Shout.', ['a', '?'])")
    host.answers["llm_map"] = scripted(lambda item: f"{item.text} {item.why}")
    assert repl.value("found.ask_again()") == "['A', '? no reply for this item']"
    assert host.asked("llm_map")[1]["map"] == 1
    repl.step("found.ask_again()")
    assert len(asked(host)) == 2  # there was nothing to ask
    host.answers["llm_map"] = scripted(unknown)
    assert repl.value("f = llm_map('Q', ['?', '?'])\nf[0] = 'by hand'\nf.ask_again()[0]") == "by hand"


def test_a_check_says_why_not_and_its_words_go_along(repl, host):
    tries: dict[int, int] = {}

    def value(item: MapItem) -> int:
        tries[item.index] = tries.get(item.index, 0) + 1
        return tries[item.index] * int(item.text)

    host.answers["llm_map"] = scripted(value)
    repl.step("found = llm_map('Count.', ['3', '1', '2'], schema=int, check=lambda n: n > 2 or f'{n} is too small')")
    assert repl.value("print(found, found.unresolved)") == "[3, 3, 4] {}"
    assert [[(item.index, item.why) for item in items] for _, items in asked(host)] == [
        [(0, ""), (1, ""), (2, "")],
        [(1, "1 is too small"), (2, "2 is too small")],
        [(1, "2 is too small")],
    ]
    assert told(host) == [[]]


@pytest.mark.parametrize(
    ("check", "why", "times"),
    [
        ("lambda v: False", "it does not pass the check", 4),
        ("lambda v: 'not that'", "not that", 4),
        ("lambda v: int(v)", "invalid literal for int() with base 10: 'A'", 4),
        ("lambda v: v['year']", "the check raised TypeError: string indices must be integers, not 'str'", 1),
    ],
)
def test_what_does_not_pass_in_a_few_rounds_is_unresolved(repl, host, check, why, times):
    """A check that fails of itself costs no call more; what it refused is kept."""
    repl.step(f"found = llm_map('Shout.', ['a'], check={check})")
    assert repl.value("print(found.unresolved[0], '|', found.refused)") == f"{why} | {{0: 'A'}}"
    assert len(asked(host)) == times
    assert told(host) == [[("0", why)]]


def test_a_check_that_takes_none_back_passes(repl, host):
    code = "llm_map('Shout.', ['a', 'b'], check=check)"
    assert repl.value(f"def check(value):\n    assert value.isupper(), 'not upper'\n{code}") == "['A', 'B']"
    assert len(asked(host)) == 1


def test_a_budget_that_ends_between_rounds_of_checks_loses_nothing(repl, host):
    first = host.answers["llm_map"]
    answers = iter([first, lambda payload: HostRefusalError("budget", "0 left")])
    host.answers["llm_map"] = lambda payload: next(answers)(payload)
    repl.step("found = llm_map('Shout.', ['a', 'b'], check=lambda v: v == 'A')")
    assert repl.value("found") == "['A', None]\n(1 unresolved, so None: 1; see .unresolved)"
    assert repl.value("found.unresolved[1]") == "it does not pass the check; 0 left"


def test_a_filter_gives_the_items_themselves(library, host):
    host.answers["llm_map"] = scripted(lambda item: {"?": unknown}.get(item.text, lambda item: "9" in item.text)(item))
    library.step("found = llm_filter('It is about plot 9.', [*context, '?'])")
    assert library.value("print([d['id'] for d in found], found[0] is context[1], found.unresolved)") == (
        "['lease-2'] True {3: 'no reply for this item'}"
    )
    assert asked(host)[0][0] == MapTask("filter", "It is about plot 9.", {"type": "boolean"})


def test_pairs_are_each_asked_once(repl, host):
    host.answers["llm_map"] = scripted(lambda item: "x" in item.text)
    assert repl.value("llm_pairs('Same?', ['a', 'bx', 'c'])") == "[('a', 'bx'), ('bx', 'c')]"
    assert repl.value("llm_pairs('Same?', ['a'], ['b', 'x\\nB: y'])") == "[('a', 'x\\nB: y')]"
    assert [[(item.name, item.text) for item in items] for _, items in asked(host)] == [
        [("(0, 1)", "A: a\nB: bx"), ("(0, 2)", "A: a\nB: c"), ("(1, 2)", "A: bx\nB: c")],
        [("(0, 0)", "A: a\nB: b"), ("(0, 1)", "A: a\nB: x\n  B: y")],
    ]
    host.answers["llm_map"] = scripted(unknown)
    assert repl.value("llm_pairs('Same?', ['a', '?']).unresolved") == "{(0, 1): 'no reply for this item'}"


def test_absurd_numbers_of_pairs_are_refused_with_their_count(repl, host):
    assert repl.failure("llm_pairs('Same?', ['a'] * 1_000)").startswith(
        "ValueError: llm_pairs: 1,000 items make 499,500 pairs, at most 20,000 are asked; nothing was sent; let code"
    )
    assert "1,000 and 30 items make 30,000 pairs" in repl.failure("llm_pairs('Same?', ['a'] * 1_000, ['b'] * 30)")
    assert host.calls == []


def test_a_query_with_a_schema_gives_its_value_or_raises(repl, host):
    host.answers["llm_map"] = scripted(lambda item: {"year": 1999} if "When" in item.text else unknown(item))
    assert repl.value("llm_query('When?', 'A text.', schema={'year': int})") == "{'year': 1999}"
    (task, items), *_ = asked(host)
    assert (task.kind, items) == ("query", [MapItem(0, "When?\n\nA text.")])
    assert repl.failure("llm_query('Who?', schema=str)") == "SubCallError: llm_query: no reply for this item"
    assert told(host) == [[]]  # it raised: nothing rests on it
    repl.step("found = llm_query_batched(['When?', 'Who?'], schema=dict)")
    assert repl.value("found") == "[{'year': 1999}, None]\n(1 unresolved, so None: 1; see .unresolved)"
    assert host.asked("llm_query") == []


SCHEMAS = {
    "int": {"type": "integer"},
    "'float'": {"type": "number"},
    "bool": {"type": "boolean"},
    "list[str]": {"type": "array", "items": {"type": "string"}},
    "'list[int]'": {"type": "array", "items": {"type": "integer"}},
    "[str]": {"type": "array", "items": {"type": "string"}},
    "str | None": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    "'str | None'": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    "dict[str, int]": {"type": "object", "additionalProperties": {"type": "integer"}},
    "['a', 'b']": {"enum": ["a", "b"]},
    "{'name': str, 'year': int}": {
        "type": "object",
        "properties": {"name": {"type": "string"}, "year": {"type": "integer"}},
        "required": ["name", "year"],
    },
    "{'type': str}": {"type": "object", "properties": {"type": {"type": "string"}}, "required": ["type"]},
    "[{'kind': ['x', 'y']}]": {
        "type": "array",
        "items": {"type": "object", "properties": {"kind": {"enum": ["x", "y"]}}, "required": ["kind"]},
    },
    "{'type': 'object', 'required': ['a']}": {"type": "object", "required": ["a"]},
    "{'enum': [1, 2]}": {"enum": [1, 2]},
}


@pytest.mark.parametrize("form", SCHEMAS)
def test_a_schema_can_be_written_in_types(repl, host, form):
    repl.value(f"import typing\nllm_map('Q', ['a'], schema={form})")
    assert asked(host)[0][0].schema == SCHEMAS[form]


def test_a_literal_is_its_values(repl, host):
    repl.value("from typing import Literal, Optional\nllm_map('Q', ['a'], schema=Optional[Literal['x', 'y']])")
    assert asked(host)[0][0].schema == {"anyOf": [{"enum": ["x", "y"]}, {"type": "null"}]}


def test_choices_are_a_schema(repl, host):
    repl.value("llm_map('Label it.', ['a'], choices=('Billing', 'access'))")
    assert asked(host)[0][0].schema == {"enum": ["Billing", "access"]}


WRONG = {
    "llm_map('Q', ['a', 3])": "TypeError: item 1 is int, not a str, a document or a match; nothing was sent",
    "llm_map('Q', 'abc')": "TypeError: items is str, not a list of str; nothing was sent",
    "llm_map('', ['a'])": "TypeError: instruction: pass a str that is not empty; nothing was sent",
    "llm_map(['a'], 'Q')": "TypeError: instruction: list is not a str; it is the first argument; nothing was sent",
    "llm_filter(['a'], 'Q')": "TypeError: condition: list is not a str; it is the first argument; nothing was sent",
    "llm_pairs(['a'], 'Q')": "TypeError: question: list is not a str; it is the first argument; nothing was sent",
    "llm_pairs('Q', ['a'], [3])": "TypeError: items_b: item 0 is int, not a str, a document or a match; nothing was",
    "llm_map('Q', ['a'], check='c')": "TypeError: check: str is no function; nothing was sent",
    "llm_map('Q', ['a'], int, ['b'])": "ValueError: schema and choices: pass one of them; nothing was sent",
    "llm_map('Q', ['a'], choices='yes')": "TypeError: choices: pass a list of str; nothing was sent",
    "llm_map('Q', ['a'], choices=[])": "ValueError: choices: there are none; nothing was sent",
    "llm_map('Q', ['a'], choices=['a', 3])": "TypeError: choices: int is not a str; nothing was sent",
    "llm_map('Q', ['a'], schema=object)": "TypeError: schema: object is no type of a value; pass str, int, float",
    "llm_map('Q', ['a'], schema='a list')": "TypeError: schema: 'a list' is no type of a value; pass str, int, float",
    "llm_map('Q', ['a'], schema={1: str})": "TypeError: schema: {1: <class 'str'>} names no fields; pass str",
    "llm_map('Q', ['a'], schema={'enum': ['x' * 30_000]})": "ValueError: schema: 30,0",
    "llm_map('Q', ['a'] * 200_001)": "ValueError: items: 200,001 of them, at most 200,000 are taken; nothing was sent",
    "s = {}\ns['a'] = s\nllm_map('Q', ['a'], schema=s)": "TypeError: schema: nested too deeply; nothing was sent",
    "llm_query('', schema=int)": "ValueError: prompt is empty; nothing was sent",
}


@pytest.mark.parametrize("code", WRONG)
def test_wrong_arguments_are_refused_before_anything_is_sent(repl, host, code):
    assert repl.failure(code).startswith(WRONG[code])
    assert host.calls == []


def test_of_nothing_nothing_is_asked(repl, host):
    assert repl.value(
        "print(llm_map('Q', []), llm_filter('C', []), llm_pairs('Q', ['a']), llm_map('Q', []).unresolved)"
    ) == ("[] [] [] {}")
    assert host.calls == []


def test_what_the_host_refuses_is_raised(repl, host):
    host.answers["llm_map"] = lambda payload: HostRefusalError("budget", "2 sub-calls asked for, 1 left")
    assert repl.failure("llm_map('Q', ['a'])") == "SubCallLimitError: 2 sub-calls asked for, 1 left"
    host.answers["llm_map"] = lambda payload: HostRefusalError("value", "item 0 is too long")
    assert repl.failure("llm_map('Q', ['a'])") == "ValueError: item 0 is too long"


def test_results_are_lists_for_whatever_takes_lists(repl, host):
    host.answers["llm_map"] = scripted(unknown)
    code = """
import copy, json, pickle
found = llm_map('Shout.', ['a', '?'])
print(json.dumps(found), type(copy.copy(found)).__name__, pickle.loads(pickle.dumps(found)), found == ['A', None])
import asyncio
print(await asyncio.gather(found, found), await found)
answer["content"] = found
FINAL(found)"""
    done = repl.step(code)
    assert done.error is None
    assert done.answer.content == '["A", null]'
    missing = "['A', None] (1 unresolved, so None: 1; see .unresolved)"
    assert done.output == f"[\"A\", null] list ['A', None] True\n[{missing}, {missing}] {missing}\n"
