"""What is said of an item is read as the schema has it, or asked again with the reason."""

from __future__ import annotations

from typing import Any

import pytest

from rlm_integrations.core.host.map_values import MapValues

from .maps import Maps, entries

TAKEN_BACK = "the reply takes back what it says first; say the last of it alone"
SCHEMAS: list[tuple[dict[str, Any], str, Any]] = [
    ({"type": "integer"}, "1,234", 1234),
    ({"type": "integer"}, "-5", -5),
    ({"type": "integer"}, "Answer: **7**", 7),
    ({"type": "number"}, "3.5", 3.5),
    ({"type": "number"}, "-0.25", -0.25),
    ({"type": "boolean"}, "No.", False),
    ({"type": "boolean"}, "TRUE", True),
    ({"type": "string", "minLength": 2}, "plain words", "plain words"),
    ({"type": "string"}, '"quoted"', "quoted"),
    ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "null", None),
    ({"type": "array", "items": {"type": "string"}}, '["a", "b"]', ["a", "b"]),
    ({"type": "object", "required": ["a"]}, 'Here:\n```json\n{"a": 1,}\n```\nDone.', {"a": 1}),
    ({"type": "object", "properties": {"a": {"enum": ["Yes", "No"]}}}, "{'a': 'yes'}", {"a": "Yes"}),
    ({"type": "object", "required": ["a"]}, '{"answer": {"a": 1}}', {"a": 1}),
    ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "None", None),
    ({"type": "integer"}, "So it is $\\boxed{7}$.", 7),
    ({"type": "integer"}, "12.0", 12),
    ({"type": "integer"}, "12\n- 5 in May\n- 7 in June\nTotal: 12", 12),
    ({"type": "integer"}, "12\n\nThere are 5 in May and 7 in June, so 12.", 12),
    ({"type": "number"}, "12.000", 12.0),
    ({"type": "number"}, "0.50\nThat is 0.5 of them.\n\n**Final answer: 0.5**", 0.5),
    ({"type": "boolean"}, "Answer: yes", True),
    ({"type": "boolean"}, "**Answer:** No.", False),
    ({"type": "boolean"}, "Yes\nIt says so, and no other clause takes it back.", True),
    ({"anyOf": [{"type": "boolean"}, {"type": "null"}]}, "Yes.", True),
    ({"enum": ["spam", "not spam"]}, "Answer: spam", "spam"),
    ({"enum": ["spam", "not spam"]}, "The answer is **not spam**.", "not spam"),
    (
        {"enum": ["spam", "not spam"]},
        "Not spam\nA friend wrote it: no spam words.\n\nFinal answer: not spam",
        "not spam",
    ),
    ({"type": "string", "enum": ["spam", "ham"]}, "Spam\n\nReason: it sells pills.", "spam"),
    ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "none", None),
    ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "None.", None),
    ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "None of them", "None of them"),
    ({"anyOf": [{"enum": ["none", "a"], "type": "string"}, {"type": "null"}]}, "none", "none"),
    ({"type": "string", "format": "date"}, "2024-01-31\n(signed)", "2024-01-31"),
    ({"type": "array", "items": {"type": "string"}}, '["a", "b"]\n\nSource: [1]', ["a", "b"]),
    ({"type": "array", "items": {"type": "integer"}}, "The pages are [3, 5].", [3, 5]),
    ({"type": "object", "required": ["a"]}, '{"a": 2.000, "b": "12.000"}', {"a": 2.0, "b": "12.000"}),
    ({"type": "object", "required": ["a"]}, "{'a': 1} as [3] says", {"a": 1}),
    ({"$ref": "#/$defs/P", "$defs": {"P": {"type": "object", "required": ["x"]}}}, '{"x": 2}', {"x": 2}),
]


@pytest.mark.parametrize(("schema", "written", "value"), SCHEMAS)
async def test_values_are_read_as_the_schema_has_them(schema: dict[str, Any], written: str, value: Any) -> None:
    """In a pack and alone."""

    def reply(prompt: str) -> str:
        return "\n".join(f"[{mark}] {written}" if mark else written for mark, _ in entries(prompt))

    for items in (["x", "y"], ["x"]):
        maps = Maps(reply)
        values, left = await maps.ask(items, schema)
        assert (values, left) == (dict.fromkeys(range(len(items)), value), {})
        assert type(values[0]) is type(value)


@pytest.mark.parametrize(
    ("schema", "written", "why"),
    [
        ({"type": "integer"}, "many", "the reply 'many' does not fit: it is no JSON"),
        ({"type": "integer", "minimum": 3}, "2", "the reply '2' does not fit: 2 is less than 3"),
        ({"type": "integer"}, "true", "the reply 'true' does not fit: true is no integer"),
        ({"type": "number"}, "NaN", "the reply 'NaN' does not fit: it is no JSON"),
        ({"enum": ["a", "b"]}, "a and b", "the reply 'a and b' is none of the choices"),
        ({"enum": ["spam", "not spam"]}, "!spam", "the reply '!spam' is none of the choices"),
        ({"enum": ["spam", "not spam"]}, "spam\nWait, it is not.", TAKEN_BACK),
        ({"type": "boolean"}, "No\n\nOn second thought, yes.", TAKEN_BACK),
        ({"type": "integer"}, "5\n\nActually, 7.", TAKEN_BACK),
        ({"type": "integer"}, "not \\boxed{7}", "the reply 'not \\\\boxed{7}' does not fit: it is no JSON"),
        ({"type": "object"}, '{"a": 1, "a": 2}', 'the reply \'{"a": 1, "a": 2}\' does not fit: it is no JSON'),
        ({"type": "boolean"}, "maybe", "the reply 'maybe' does not fit: it is no JSON"),
        ({"type": "object", "required": ["a"]}, "{}", "the reply '{}' does not fit: has no \"a\""),
        (
            {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "string"}}}},
            '{"a": ["x", 3]}',
            'the reply \'{"a": ["x", 3]}\' does not fit: a[1]: 3 is no string',
        ),
        (
            {"type": "string", "format": "date"},
            "May",
            "the reply 'May' does not fit: \"May\" is no date as ISO 8601 writes it",
        ),
        (
            {"type": "array"},
            "[" * 70 + "]" * 70,
            f"the reply '{'[' * 52} … {']' * 25}' does not fit: it is nested too deeply",
        ),
        ({"type": "object"}, '{"a": 1} or {"a": 2}', 'the reply \'{"a": 1} or {"a": 2}\' does not fit: it is no JSON'),
    ],
)
async def test_what_is_no_value_is_asked_again_with_the_reason(schema: dict[str, Any], written: str, why: str) -> None:
    maps = Maps(lambda prompt: written)
    assert await maps.ask(["x"], schema) == ({}, {0: why})
    assert [why in prompt for prompt in maps.prompts] == [False, True, True, True, True]


ANOTHER = "the reply names more than one value; say the one that is meant, alone"
SPAM: dict[str, Any] = {"enum": ["spam", "ham", "not spam"]}
NAMED: dict[str, Any] = {"type": "object", "required": ["name"]}


@pytest.mark.parametrize(
    ("schema", "written"),
    [
        ({"type": "integer"}, "12\n\nEntries 3 and 9 were missing.\n\n**Final answer: 14**"),
        ({"type": "integer"}, "120\n+ 35\n= 155"),
        ({"type": "integer"}, "12\nTotal: 17"),
        ({"type": "integer"}, "12\n\nThe corrected total is 17, since two were missing."),
        ({"type": "integer"}, "12\n15\n18"),
        ({"type": "integer"}, "12\n\n5 more were in June, so 17."),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "12\n- 15"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "None\n\nFinal answer: 12"),
        ({"type": "number"}, "0.5\n0.7"),
        ({"type": "boolean"}, "No.\n\nClause 7 covers it after all, so the final answer is yes."),
        ({"type": "boolean"}, "Yes\n\nFinal answer: No"),
        ({"type": "boolean"}, "True\nFalse"),
        ({"type": "boolean"}, "Yes\nNo"),
        ({"type": "boolean"}, "Yes.\n\nThe sender is known, so no."),
        (SPAM, "spam\n\nA friend wrote it.\n\n**Final answer: ham**"),
        (SPAM, "spam\n\nFinal answer: not spam, for a friend wrote it."),
        (SPAM, "Spam\nHam"),
        ({**SPAM, "type": "string"}, "spam\n> ham"),
        ({"anyOf": [{**SPAM, "type": "string"}, {"type": "null"}]}, "spam\n\nCorrected: **ham**"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "None\n\nFinal answer: Ann"),
        ({"type": "string", "format": "date"}, "2024-01-31\n2024-02-01"),
        (NAMED, '{"name": "Ann"}\n\nCorrected version:\n{"name": "Bo"}'),
        (NAMED, "{\"name\": \"Ann\"}\n\nCorrected:\n{'name': 'Bo'}"),
        (NAMED, '```json\n{"name": "Ann"}\n```\n\nFinal:\n```json\n{"name": "Bo"}\n```'),
    ],
)
async def test_a_reply_that_names_another_value_below_is_asked_again(schema: dict[str, Any], written: str) -> None:
    assert await Maps(lambda prompt: written).ask(["x"], schema) == ({}, {0: ANOTHER})


@pytest.mark.parametrize(
    ("schema", "written"),
    [
        ({"type": "integer"}, "12.000"),
        ({"type": "integer"}, "Answer: **-1.000**"),
        ({"type": "integer"}, "I first got \\boxed{7}, but that counts twice, so 6."),
        ({"type": "object", "properties": {"n": {"type": "integer"}}}, '{"n": 330.000}'),
        (SPAM, "spam or ham"),
        (SPAM, "The answer is spam, or ham."),
        ({**SPAM, "type": "string"}, "spam\n\nActually, a friend wrote it: ham"),
        ({"anyOf": [{**SPAM, "type": "string"}, {"type": "null"}]}, "spam\n\nActually, a friend wrote it."),
        (NAMED, "{'name': 'Ann'}\nCorrected: {'name': 'Bo'}"),
        (NAMED, "{\"name\": \"Ann\"}\nCorrected: {'name': 'Bo'}"),
        ({"type": "array"}, "['a'] or ['b']"),
        ({"type": "array"}, '["Ann", "Bo", // ... and 14 more\n]'),
        ({"type": "array"}, '["Ann", "Bo"  # rest omitted\n]'),
        ({"type": "array"}, '["Ann", "Bo"]\n// ... and 14 more'),
        ({"type": "array"}, '["Ann", "Bo"] and 14 more'),
        ({"type": "array", "items": {"type": "integer"}}, "No page numbers are given [3]."),
    ],
)
async def test_what_is_not_plainly_one_value_is_asked_again(schema: dict[str, Any], written: str) -> None:
    values, left = await Maps(lambda prompt: written).ask(["x"], schema)
    assert (values, list(left)) == ({}, [0])


WORDS: list[dict[str, Any] | None] = [None, {"type": "string"}, {"anyOf": [{"type": "string"}, {"type": "null"}]}]


@pytest.mark.parametrize("schema", WORDS)
@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("First.\n\nSecond.\n\nThird.", "First.\n\nSecond.\n\nThird."),
        ("Here is the translation:\n\nBonjour", "Here is the translation:\n\nBonjour"),
        ("```python\nprint(1)\n\nprint(2)\n```", "print(1)\n\nprint(2)"),
        ("So:\n```\na\n\nb\n```\nThat is it.", "So:\n```\na\n\nb\n```\nThat is it."),
        ("Actually 5\n\nActually, no.", "Actually 5\n\nActually, no."),
        ("12\n\nFinal answer: 14", "12\n\nFinal answer: 14"),
    ],
)
async def test_a_text_is_all_of_a_lone_reply(schema: dict[str, Any] | None, written: str, value: str) -> None:
    assert await Maps(lambda prompt: written).ask(["x"], schema, kind="query") == ({0: value}, {})


@pytest.mark.parametrize(
    ("schema", "words", "value"),
    [
        ({"type": "integer"}, "7\n\nThe total is 3 + 4 = 7.", 7),
        ({"type": "integer"}, "7\n\nResult: 3 red and 4 blue.", 7),
        ({"type": "integer"}, "7\n=> 3 + 4", 7),
        ({"type": "number"}, "0.8\n\nConclusion: 8 of 10 agree.", 0.8),
        ({"type": "boolean"}, "Yes\n\nThe answer is no longer in doubt.", True),
        ({"enum": ["low", "high"]}, "high\n\nThe result is low visibility and high risk.", "high"),
    ],
)
def test_an_explanation_below_a_value_names_no_other(schema: dict[str, Any], words: str, value: Any) -> None:
    assert MapValues(schema).read(words) == (value, None)


@pytest.mark.parametrize("schema", WORDS)
@pytest.mark.parametrize(
    ("form", "values", "calls"),
    [
        ("[{a}] Ann\n[{b}] Bo\nLet me know if you need anything else!", ("Ann", "Bo"), 1),
        ("[{a}] Ann\n[{b}] Bo\n\nI hope that helps!\n\nThere are two.", ("Ann", "Bo"), 1),
        ("1. [{a}] Ann\n2. [{b}] Bo", ("Ann", "Bo"), 1),
        ("```\n[{a}] Ann\n[{b}] Bo\n```", ("Ann", "Bo"), 1),
        ("[{a}] Roses\nare red\n[{b}] Violets\nare blue", ("Roses\nare red", "Violets\nare blue"), 1),
        ("[{a}] Ann\n[{b}] Bo\nBoth are names.", ("Ann", "alone"), 2),
        ("[{a}] Ann\n[{b}] Bo\n\nBoth are names.", ("Ann", "alone"), 2),
        ("[{a}] Ann\n[{b}] Bo\n---\nNote: Bo is a guess.", ("Ann", "alone"), 2),
        ("[{a}]\nFirst.\n\nSecond.\n\n[{b}]\nBo", ("First.\n\nSecond.", "Bo"), 1),
        ("[{a}]\nFirst.\n\nSecond.\n\n---\n\n[{b}]\nBo", ("First.\n\nSecond.", "Bo"), 1),
    ],
)
async def test_in_a_pack_no_text_is_cut_and_none_has_what_stands_below_it(
    schema: dict[str, Any] | None, form: str, values: tuple[str, str], calls: int
) -> None:
    def reply(prompt: str) -> str:
        marks = [mark for mark, _ in entries(prompt)]
        return form.format(a=marks[0], b=marks[1]) if len(marks) > 1 else "alone"

    maps = Maps(reply)
    assert await maps.ask(["x", "y"], schema) == (dict(enumerate(values)), {})
    assert len(maps.prompts) == calls


async def test_numbers_of_a_list_are_no_values_in_it() -> None:
    def reply(prompt: str) -> str:
        return "\n".join(f"{n}. [{mark}] {n * 7}" for n, (mark, _) in enumerate(entries(prompt), 1))

    assert await Maps(reply).ask(["x", "y", "z"], {"type": "integer"}) == ({0: 7, 1: 14, 2: 21}, {})
