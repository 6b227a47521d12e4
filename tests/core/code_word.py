"""A corpus that holds a code word, the question for it, and code that answers."""

from __future__ import annotations

CORPUS = "".join(f"line {n}: nothing to see\n" for n in range(2_000)) + "the code word is HERON\n"
QUESTION = "What is the code word?"
LOOK = "```repl\nprint(1)\n```"


def finish(value: object, before: str = "") -> str:
    return f'```repl\n{before}\nanswer["content"] = {value!r}\nanswer["ready"] = True\n```'
