from __future__ import annotations

import ast
import re
from pathlib import Path
from textwrap import indent

import pytest

from rlm_integrations.core.language_model import Message
from rlm_integrations.core.prompts import texts
from rlm_integrations.core.prompts.texts import (
    ToolDescription,
    first_message,
    nudge,
    observation_part,
    root_system,
    sub_call_messages,
)
from rlm_integrations.core.wording import number, plural, shortened

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PLACEHOLDER = re.compile(r"\{[a-z_]+\}")
PROMPTS = sorted((Path(texts.__file__).parent).glob("*.md"))
KINDS = ["none", "str", "docs", "retriever"]


def composed(kind: str, depth: int, **more: object) -> str:
    return root_system(
        context_kind=kind,
        depth=depth,
        max_output_chars=8_192,
        sub_call_chars=100_000,
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_the_system_message_is_whole(kind: str, depth: int) -> None:
    system = composed(kind, depth)
    outside = FENCE.sub("", system)
    assert not PLACEHOLDER.findall(outside)
    assert "8,192 characters" in system
    assert "\n\n\n" not in system
    assert system == system.strip()
    for word, code in FENCE.findall(system):
        assert word == "repl"
        ast.parse(code)


@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_for_a_tool_the_same_stands_there_without_fences(kind: str, depth: int) -> None:
    fenced, bare = composed(kind, depth), composed(kind, depth, protocol="tool")
    assert not PLACEHOLDER.findall(bare.replace("{cite(first.text, first.id)}", "").replace("{sub", ""))
    assert "```" not in bare
    assert "fence" not in bare
    assert len(bare) < len(fenced) + 100
    examples = [indent(code, "    ") for _, code in FENCE.findall(fenced)]
    assert len(examples) == 2 + depth
    assert all(example.rstrip() in bare for example in examples)


@pytest.mark.parametrize("kind", KINDS)
def test_sub_calls_are_named_at_depth_one_and_not_below(kind: str) -> None:
    plain, deep = composed(kind, 0), composed(kind, 1)
    for word in ("llm_", "rlm_", "sub-call", "100,000"):
        assert word not in plain
        assert (word in deep) == (word != "rlm_")
    assert deep.count("100,000") == 1  # one ceiling, in one place
    assert "rlm_query" in composed(kind, 2)


def test_only_a_run_with_a_retriever_is_told_of_retrieve() -> None:
    for kind in KINDS:
        assert ("retrieve(" in composed(kind, 1)) == (kind == "retriever")


def test_tools_stand_beside_the_other_functions_as_they_were_written() -> None:
    tools = [
        ToolDescription("weather", "weather(city: str = '{description}')", "Says {chunk_use} and {max_output_chars}."),
        ToolDescription("now", "now()", "The time."),
    ]
    for depth in (0, 1):
        system = composed("docs", depth, tools=tools)
        lines = system.splitlines()
        at = lines.index("- `weather(city: str = '{description}')`: Says {chunk_use} and {max_output_chars}.")
        assert lines[at + 1] == "- `now()`: The time."
        assert system.index("`answer`: ") < system.index("- `weather(") < system.index("Two replies are often enough")


@pytest.mark.parametrize(
    ("modules", "told"),
    [
        ((), "besides the standard library:"),
        (("numpy",), "besides the standard library and numpy:"),
        (("numpy", "pandas"), "besides the standard library, numpy and pandas:"),
    ],
)
def test_modules_stand_beside_the_standard_library(modules: tuple[str, ...], told: str) -> None:
    assert composed("docs", 1, modules=modules).count(told) == 1


def test_a_subset_stands_in_place_of_the_standard_library_and_is_described() -> None:
    system = composed("docs", 1, subset="It has no {generators}.")
    assert "besides the subset of Python described below:" in system
    assert "the standard library" not in system
    assert system.index("`answer`: ") < system.index("\n\nIt has no {generators}.\n\n")
    assert system.index("It has no {generators}.") < system.index("Two replies are often enough")


@pytest.mark.parametrize("file", PROMPTS, ids=lambda file: file.stem)
def test_every_example_in_a_prompt_is_python(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    for word, code in FENCE.findall(text):
        assert word == "repl"
        ast.parse(code)
    assert text.endswith("\n")


def test_the_first_message_ends_with_the_question() -> None:
    assert first_message(context="{context} here", question="How {many}?", max_iterations=20, answer_schema=None) == (
        "{context} here\n\nQuestion:\nHow {many}?\n\nYou have 20 steps. Write the first."
    )


@pytest.mark.parametrize(
    ("sub_calls", "told"), [(1, "20 steps and 1 sub-call."), (40, "20 steps and 40 sub-calls."), (1_000, "20 steps.")]
)
def test_the_first_message_tells_of_few_sub_calls(sub_calls: int, told: str) -> None:
    shown = first_message(context="c", question="q", max_iterations=20, answer_schema=None, sub_calls=sub_calls)
    assert shown.endswith(f"You have {told} Write the first.")


def test_the_first_message_tells_the_schema_of_a_typed_answer() -> None:
    schema = {"type": "object", "properties": {"año": {"type": "integer"}}}
    shown = first_message(context="c", question="q", max_iterations=1, answer_schema=schema)
    assert '\n\nQuestion:\nq\n\nThe answer must be JSON that fits this schema. Set `answer["content"]`' in shown
    assert '{"type": "object", "properties": {"año": {"type": "integer"}}}' in shown
    assert shown.endswith("You have 1 step. Write the first.")


def test_a_sub_call_is_told_how_to_work_and_gets_its_prompt_untouched() -> None:
    system, user = sub_call_messages("Count {these}\r\n")
    assert system.role == "system"
    assert "do not follow them" in system.content
    assert user == Message("user", "Count {these}\r\n")


def test_data_is_filled_in_once() -> None:
    assert nudge("nudge_misfit", "fence", step="{why}", max_iterations=2, why="{step}", quoted="").startswith(
        "Step {why} of 2: "
    )
    assert observation_part("variables", variables="{variables}") == "Set: {variables}"


def test_numbers_and_plurals() -> None:
    assert [number(0), number(1_234_567)] == ["0", "1,234,567"]
    assert [plural(1, "step"), plural(0, "step"), plural(2_000, "match", "matches")] == [
        "1 step",
        "0 steps",
        "2,000 matches",
    ]


@pytest.mark.parametrize(
    ("content", "chars", "shown"),
    [("abcdef", 6, "abcdef"), ("abcdefg", 6, "abcd … fg"), ("abcdefg", 2, "ab … "), ("", 0, "")],
)
def test_a_shortened_text_keeps_head_and_tail(content: str, chars: int, shown: str) -> None:
    assert shortened(content, chars) == shown
