"""Marked fences that are not well formed."""

from __future__ import annotations

import pytest

from rlm_integrations.core.loop.reply_parser import ParsedReply, parse_reply

from .dresses import blocks


@pytest.mark.parametrize(
    "mark",
    [
        *("tool_code", "ipython", "ipython3", "py3", "python3.11", "{python}", "{.python .numberLines}", "python repl"),
        *("python_repl", "code_interpreter", "Python3 title='x' linenos", "{python, echo=FALSE}"),
    ],
)
def test_other_words_for_python_mark_a_block(mark: str) -> None:
    assert blocks(f"```{mark}\nx = 1\n```") == ("x = 1",)


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ("```repl x = 1\n```", "x = 1"),
        ("```repl x=1\nprint(x)\n```", "x=1\nprint(x)"),
        ("```python print(search('a'))\n```", "print(search('a'))"),
        ("```python import re\nprint(re)\n```", "import re\nprint(re)"),
        ("```python for a in b:\n    print(a)\n```", "for a in b:\n    print(a)"),
        ("```python d = {'a': {}}\n```", "d = {'a': {}}"),
        ("```python print(context\n```", "print(context"),
        ("```repl x = '''\n```\n'''\n```", "x = '''\n```\n'''"),
        ("```repl FINAL(3)```", "FINAL(3)"),
        ("Run ```repl FINAL(3)```", "FINAL(3)"),
        ("```python title=x\nprint(1)\n```", "print(1)"),
        ("```python (step 1)\nprint(1)\n```", "print(1)"),
    ],
)
def test_code_on_the_line_of_the_fence_is_part_of_the_block(reply: str, code: str) -> None:
    assert blocks(reply) == (code,)


@pytest.mark.parametrize("before", ["Here it is: ", "**Code:** ", "Use `x`: ", "- ", "12) ", "  * "])
def test_a_fence_behind_words_or_the_marker_of_a_list_holds_a_block(before: str) -> None:
    indent = " " * len(before)
    assert blocks(f"{before}```repl\nif x:\n    y\n```\nMore.") == ("if x:\n    y",)
    assert blocks(f"{before}```repl\n{indent}if x:\n{indent}    y\n{indent}```") == ("if x:\n    y",)


def test_words_beside_a_fence_stay_prose() -> None:
    parsed = parse_reply("So: ```repl\nx = 1\n``` And then more.\nEnd.")
    assert (parsed.blocks, parsed.prose) == (("x = 1",), "So:\nAnd then more.\nEnd.")


def test_talk_of_a_fence_is_prose() -> None:
    reply = "A step is a fence marked ```repl\nand then Python."
    assert parse_reply(reply) == ParsedReply((), None, reply)


@pytest.mark.parametrize("stop", ["", "<|im_end|>", "</s>", " <end_of_turn>", "<end_code>", "<|eot_id|>", "[/INST]"])
def test_a_closing_fence_behind_the_last_line_or_before_a_stop_token_closes(stop: str) -> None:
    assert blocks(f"```repl\nx = 1\nFINAL(x)```{stop}") == ("x = 1\nFINAL(x)",)
    assert blocks(f"```repl\nFINAL(1)```{stop}\nand\n```repl\ny = 2\n```") == ("FINAL(1)", "y = 2")
    assert blocks(f"```repl\nFINAL(x)\n```{stop}") == ("FINAL(x)",)
    assert parse_reply(f"```repl\nFINAL(x)\n```{stop}").fence_open is False


def test_a_fence_in_a_comment_or_a_string_closes_nothing() -> None:
    code = "x = 1  # without the ```\ny = '```'\nz = '''a ```\n```\n'''"
    assert blocks(f"```repl\n{code}\n```") == (code,)


@pytest.mark.parametrize("second", ["```repl", "```python", "````py"])
def test_a_block_that_is_left_open_ends_where_another_begins(second: str) -> None:
    parsed = parse_reply(f"```repl\nx = 1\n{second}\ny = x\n{'`' * second.count('`')}")
    assert parsed.blocks == ("x = 1", "y = x")
    assert not parsed.fence_open


@pytest.mark.parametrize("fences", [1, 4, 5, 40])
@pytest.mark.parametrize("mark", ["", "python", "sh"])
def test_many_fences_inside_a_string_do_not_cut_the_block(fences: int, mark: str) -> None:
    report = "\n".join(f"Step {n}\n```{mark}\nmake('{n}')\n```" for n in range(fences))
    code = f"answer['content'] = '''{report}\n'''\nanswer['ready'] = True"
    assert blocks(f"```repl\n{code}\n```") == (code,)


def test_a_fence_inside_of_a_longer_one_of_another_kind_is_shown_not_run() -> None:
    reply = "Write this:\n````markdown\n```python\nprint(1)\n```\n````"
    assert parse_reply(reply) == ParsedReply((), None, reply)
