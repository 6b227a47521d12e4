"""Reading a reply takes time in proportion to its length."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from rlm_integrations.core.loop import reply_parser
from rlm_integrations.core.loop.reply_parser import parse_reply

WEARING: dict[str, Callable[[int], str]] = {
    "blank lines": lambda n: "\n" * n,
    "blank lines, then talk of a variable": lambda n: "\n" * n + "FINAL_VAR(x) it is",
    "variables that are never closed": lambda n: "FINAL_VAR(\n" * n,
    "answers that are never closed": lambda n: "FINAL((\n" * n,
    "answers that close unevenly": lambda n: "FINAL((" + ")\n(" * n,
    "blocks": lambda n: "```repl\nx = 1\n```\n" * n,
    "blocks that are not whole": lambda n: "```repl\nx = (\n```\n" * n,
    "blocks in strings": lambda n: "```repl\n'''\n```\n'''\n```\n" * n,
    "openings without an end": lambda n: "```repl\n" * n,
    "openings without an end, of other fences": lambda n: "```json\n" * n,
    "openings behind words": lambda n: "words ```repl\n" * n,
    "openings behind words, with an end": lambda n: "words ```repl\n" * n + "```",
    "ends behind code": lambda n: "```repl\n(\n" + "x```\n" * n,
    "fences inside of a string": lambda n: "```repl\n'''\n" + "```\n" * n + "'''\n```",
    "strings that are never closed": lambda n: "```repl\n'''\n```\n" * n,
    "other fences, each shorter, above ends behind code": lambda n: (
        "".join(f"{'`' * length}json\n" for length in range(int(n**0.5) + 3, 3, -1))
        + f"x{'`' * (int(n**0.5) + 3)}\n" * n
    ),
    "unmarked fences": lambda n: "```\nprint(context)\n```\n" * n,
    "tags": lambda n: "<code>\nprint(context)\n</code>\n" * n,
    "tags that are never closed": lambda n: "<code>\n" * n,
    "tags around a fence": lambda n: "<code>\n" * n + "~~~\n</code>",
    "calls": lambda n: '{"name": "python", "arguments": {"code": "x"}}\n' * n,
    "heads of calls": lambda n: '{"name": "python",\n' * n,
    "invocations": lambda n: '<invoke name="python">\n<parameter name="code">x</parameter>\n' * n,
    "invocations that are never closed": lambda n: '<invoke name="python">\n<parameter name="code">x\n' * n,
    "code among words": lambda n: "words\nx = context\n" * n,
    "outputs that were made up": lambda n: "```repl\nx = 1\n```\nOutput:\n" * n,
    "quotes for fences": lambda n: "'''python\nx = context\n" * n,
    "answers that hold a fence and never end": lambda n: "FINAL('''\n```repl\n" * n,
    "sessions": lambda n: "```repl\n" + ">>> x = 1\n" * n + "1\n>>> y\n```",
    "odd spaces": lambda n: "```repl\n" + "x\u00a0=\u00a0'a'\n" * n + "```",
    "items of a list in an answer": lambda n: "FINAL(\n" + "1) a (b)\n" * n,
    "fields in an answer": lambda n: "FINAL(" + "{n} " * n + ")",
    "other forms of an answer": lambda n: "final_answer(\n" * n,
    "thoughts below heads": lambda n: "**Thinking:**\n```repl\nFINAL(1)\n```\n**Code:**\n" * n,
    "thoughts in tags": lambda n: "<plan>\n```repl\nx\n```\n</plan>\nFINAL(3)\n" * n,
    "tags of thoughts that are never closed": lambda n: "<plan>\n" * n + "```repl\nFINAL(1)\n```\n" * n,
    "answers that are taken back": lambda n: "FINAL(1)\nno, but so\n" * n + "Wait",
    "a plan of answers": lambda n: "Plan:\n" + "1. FINAL(1)\n" * n,
    "answers on one line": lambda n: "FINAL(1) " * n,
    "tags in a tag": lambda n: "<run_code>" + "<code>\n" * n + "</code></run_code>",
    "commands in commands": lambda n: "```\n" + "python -c 'x = " * n + "'\n```",
    "lines that print": lambda n: "```repl\n" + "print x\n" * n + "```",
    "calls of Python": lambda n: "python(code='x')\n" * n,
    "JSON": lambda n: '{"code": "' + "x = context\\n" * n + '"}',
    "JSON that holds fences": lambda n: '{"a": "' + "```repl\\nx\\n```\\n" * n + '"}',
    "JSON of many strings": lambda n: '["' + 'x = context", "' * n + '"]',
    "fences that are closed by shorter ones": lambda n: "````repl\nx = 1\n```\n" * n,
    "endings without a beginning": lambda n: "```\n" * n,
    "long fences above short ones": lambda n: "``````repl\nx = (\n``````\n" * n + "```\n" * n,
    "each fence shorter than the one before": lambda n: "".join(
        f"{'`' * length}repl\n(\n{'`' * length}\n" for length in range(int(n**0.5) + 3, 3, -1)
    ),
}


HERE = str(Path(reply_parser.__file__).parent)


def steps_of(reply: str) -> int:
    """Instructions that the parser took."""
    steps = 0

    def enter(frame: FrameType, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(HERE):
            return None
        frame.f_trace_opcodes = True
        return count

    def count(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal steps
        steps += event == "opcode"
        return count

    before = sys.gettrace()
    sys.settrace(enter)
    try:
        parse_reply(reply)
    finally:
        sys.settrace(before)
    return steps


@pytest.mark.parametrize("wearing", WEARING)
def test_reading_a_reply_takes_time_in_proportion_to_its_length(wearing: str) -> None:
    short, long = WEARING[wearing](30), WEARING[wearing](120)
    assert steps_of(long) <= 1.3 * len(long) / len(short) * steps_of(short)
