"""Replies are read against the marks of their items, in whatever form sub-LMs write them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .maps import Maps, entries


@pytest.mark.parametrize(
    "form",
    [
        "[{a}] one\n[{b}] two",
        "Sure, here you are:\n\n[{a}] one\n[{b}] two\n\nI hope that helps!",
        "**[{a}]**: one\n- **[{b}]** - two",
        "1. [{a}] one\n2. [{b}] two",
        "{a}: one\n{b}: two",
        "`[{a}]` one\n`[{b}]` two",
        "| [{a}] | one |\n| [{b}] | two |",
        "```\n[{a}] one\n[{b}] two\n```",
        '```json\n{{"{a}": "one", "{b}": "two"}}\n```',
        '{{"[{a}]": "one", "[{b}]": "two"}}',
        "[{b}] two\n[{a}] one",
        "[{a}] one [{b}] two",
        "[{A}] ONE.\n[{B}] 'Two'",
        "[{a}] one\n[{b}] two\n[{a}] one",
        "| mark | reply |\n|---|---|\n| {a} | one |\n| {b} | two |",
        "| reply | mark |\n|:--|--:|\n| one | [{a}] |\n| two | [{b}] |",
        'Here:\n```json\n[{{"mark": "{a}", "reply": "one"}}, {{"mark": "{b}", "reply": "two"}}]\n```',
        '[\n  {{"reply": "one", "why": "so", "id": "[{a}]"}},\n  {{"reply": "two", "why": "", "id": "[{b}]"}}\n]',
        '{{"id": "{a}", "colour": "one"}}\n{{"id": "{b}", "colour": "two"}}',
        '{{"items": [{{"colour": "one", "id": "{a}"}}, {{"colour": "two", "id": "{b}"}}]}}',
        '<item id="{a}">one</item>\n<item id="{b}">two</item>',
        "<{a}>one</{a}>\n<{b}>two</{b}>",
        "Item [{a}]: one\nItem [{b}]: two",
        "Item [{a}]\none\nItem [{b}]\ntwo",
        "Here you go:\n[{a}]\none\n[{b}]\ntwo",
        "As asked.\n\n[{a}]\n**one**\n\n[{b}]\n**two**\n\nI hope that helps!",
    ],
)
async def test_replies_in_other_forms_are_read(form: str) -> None:
    def reply(prompt: str) -> str:
        (a, _), (b, _) = entries(prompt)
        return form.format(a=a, b=b, A=a.upper(), B=b.upper())

    maps = Maps(reply)
    assert await maps.ask(["x", "y"], {"enum": ["one", "two", "three"]}) == ({0: "one", 1: "two"}, {})
    assert len(maps.prompts) == 1


@pytest.mark.parametrize(
    "form", ["[1] one\n[2] two", "1. one\n2. two\n", "**1:** one\n\n**2:** two", "(1) one\n(2) two"]
)
async def test_numbers_will_do_where_a_few_items_have_a_line_each(form: str) -> None:
    maps = Maps(lambda _: form)
    assert await maps.ask(["x", "y"]) == ({0: "one", 1: "two"}, {})
    assert len(maps.prompts) == 1


@pytest.mark.parametrize(
    "form",
    [
        "[1] ONE",
        "[1] one\n[2] two\n[3] three",
        "[2] two\n[1] one",
        "[1] one\n[1] two",
        "Here they are:\n[1] one\n[2] two",
        "[1] one\nfor it says\n[2] two",
        "[{a}] one\n[2] two",
        "1 one\n2 two",
    ],
)
async def test_numbers_will_not_do_where_it_is_not_plain_whose_a_line_is(form: str) -> None:
    def reply(prompt: str) -> str:
        asked = entries(prompt)
        return form.format(a=asked[0][0]) if len(asked) > 1 else asked[0][1].upper()

    maps = Maps(reply)
    values, left = await maps.ask(["x", "y"])
    assert values[1] == "Y"
    assert left == {}


@pytest.mark.parametrize(
    "form",
    [
        "one [{a}]\ntwo [{b}]",
        "one ({a})\ntwo ({b})",
        "colour,mark\none,{a}\ntwo,{b}",
        "one [{a}]; two [{b}]",
        "one [{a}] as it says\ntwo [{b}] as it says",
        "| mark | reply | sure |\n|---|---|---|\n| {a} | one | yes |\n| {b} | two | no |",
        '{{"id": "{a}", "colour": "one", "size": "two"}}\n{{"id": "{b}", "colour": "two", "size": "one"}}',
        "<item><id>{a}</id><colour>one</colour></item>\n<item><id>{b}</id><colour>two</colour></item>",
    ],
)
async def test_a_reply_whose_marks_do_not_stand_before_its_words_is_asked_for_again(form: str) -> None:
    """Read from mark to mark, each item would have the words of the next."""

    def reply(prompt: str) -> str:
        marks = [mark for mark, _ in entries(prompt)]
        return form.format(a=marks[0], b=marks[1]) if len(marks) > 1 else "of its own"

    maps = Maps(reply)
    assert await maps.ask(["x", "y"]) == ({0: "of its own", 1: "of its own"}, {})


@pytest.mark.parametrize(
    "form",
    [
        "one:\n- [{a}]\n- [{b}]\n\ntwo:\n- [{c}]\n- [{d}]",
        "**one**\n[{a}]\n[{b}]\n**two**\n[{c}]\n[{d}]",
        "### one\n- [{a}]\n- [{b}]\n\n### two\n- [{c}]\n- [{d}]\n\nI hope that helps!",
        "one: [{a}], [{b}]\ntwo: [{c}], [{d}]",
        "one\n[{a}]; [{b}];\ntwo\n[{c}]; [{d}].",
        "one:\n[{a}]\n\ntwo:\n[{b}]\n\none:\n[{c}]\n\ntwo:\n[{d}]\n\nI hope that helps!",
        "one\n[{a}]\ntwo\n[{b}]\none\n[{c}]\ntwo\n[{d}]\nI hope that helps!",
    ],
)
@pytest.mark.parametrize("schema", [None, {"enum": ["one", "two"]}])
async def test_marks_in_groups_below_headings_are_asked_for_again(form: str, schema: dict[str, Any] | None) -> None:
    """The last of each group would have the heading of the next."""

    def reply(prompt: str) -> str:
        asked = entries(prompt)
        return form.format(**dict(zip("abcd", [mark for mark, _ in asked], strict=False))) if len(asked) > 1 else "one"

    values, left = await Maps(reply).ask(["w", "x", "y", "z"], schema)
    assert (values, left) == (dict.fromkeys(range(4), "one"), {})


async def test_of_objects_that_name_their_items_the_other_fields_are_the_value() -> None:
    def reply(prompt: str) -> str:
        return "\n".join(json.dumps({"fee": 5, "id": mark, "sure": True}) for mark, _ in entries(prompt))

    maps = Maps(reply)
    values, _ = await maps.ask(["x", "y"], {"type": "object", "properties": {"fee": {"type": "integer"}}})
    assert values == {place: {"fee": 5, "sure": True} for place in range(2)}


async def test_numbers_will_not_do_for_many_items() -> None:
    """One may have been left out, and another made up."""

    def reply(prompt: str) -> str:
        asked = entries(prompt)
        if len(asked) == 1:
            return asked[0][1].upper()
        return "\n".join(f"[{number}] misplaced" for number, _ in enumerate(asked, 1)) if len(asked) > 5 else ""

    maps = Maps(reply)
    values, _ = await maps.ask([f"item {n}" for n in range(6)])
    assert values == {n: f"ITEM {n}" for n in range(6)}


@pytest.mark.parametrize(
    ("form", "values"),
    [
        ("For {a} it is Ann, for {b} it is Bo.", {0: "of its own", 1: "it is Bo."}),
        ("[{a}] as in [{b}]\n[{b}] Bo", {0: "of its own", 1: "Bo"}),
        ("[{a}] Ann; [{b}] Bo", {0: "Ann", 1: "Bo"}),
        ("[{a}] Ann, [{b}] Bo", {0: "Ann", 1: "Bo"}),
        ("[{a}] Ann • [{b}] Bo", {0: "Ann", 1: "Bo"}),
        ("[{a}] Ann\t[{b}] Bo", {0: "Ann", 1: "Bo"}),
        ("[{a}] Ann! [{b}] Bo!", {0: "Ann!", 1: "Bo!"}),
        ("[{a}] 安。[{b}] 博。", {0: "安。", 1: "博。"}),
        ("[{a}] Ann, and [{b}] Bo", {0: "of its own", 1: "Bo"}),
        ("[{a}] Ann. [{b}] Bo.", {0: "Ann.", 1: "Bo."}),
    ],
)
async def test_words_that_go_on_to_another_mark_in_their_line_are_no_text_of_an_item(
    form: str, values: dict[int, str]
) -> None:
    def reply(prompt: str) -> str:
        marks = [mark for mark, _ in entries(prompt)]
        return form.format(a=marks[0], b=marks[1]) if len(marks) > 1 else "of its own"

    assert await Maps(reply).ask(["x", "y"]) == (values, {})


async def test_a_number_that_touches_its_mark_is_asked_for_again() -> None:
    """A dash between them may be its sign."""

    def reply(prompt: str) -> str:
        return "\n".join(f"{mark}-7" if mark else "7" for mark, _ in entries(prompt))

    assert await Maps(reply).ask(["x", "y"], {"type": "integer"}) == ({0: 7, 1: 7}, {})
