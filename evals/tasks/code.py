"""Questions about source code, whose truth is what `ast` says of it."""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evals.scoring import oolong, set_f1
from evals.tasks.family import CHARS_PER_TOKEN, Eye, Task, chance

_WORDS = ("load", "store", "merge", "split", "check", "order", "price", "route", "queue", "frame", "index", "parse")
_MANY = "How many functions take more than three parameters?"
_CALLERS = re.compile(r"Which functions call `(\w+)`\?")
_NOTE = re.compile(r"^(\w+)\((\d+)\) calls (.*)$", re.MULTILINE)
_FUNCTION = re.compile(r"^def (\w+)\(([^)]*)\):\n((?: .*\n?|\n)*)", re.MULTILINE)
_CALL = re.compile(r"(\w+)\(")


@dataclass(frozen=True)
class Code:
    name: str = "code questions"
    most_tokens: int = 2_000_000

    def make(self, tokens: int, seed: int) -> Task:
        rng = chance(self.name, tokens, seed)
        documents: dict[str, str] = {}
        names: list[str] = []
        chars = tokens * CHARS_PER_TOKEN
        while chars > 0:
            text = "\n\n".join(_function(rng, names) for _ in range(8)) + "\n"
            documents[f"src/module_{len(documents):04}.py"] = text
            chars -= len(text)
        if seed % 2:
            return Task(
                self.name, tokens, seed, f"{_MANY} Reply with the number alone.", documents, many_parameters(documents)
            )
        called = rng.choice(names[: max(4, len(names) // 4)])
        question = (
            f"Which functions call `{called}`? Reply with their names alone, with commas between, or with 'none'."
        )
        return Task(self.name, tokens, seed, question, documents, callers_of(called, documents))

    def score(self, truth: Any, answer: str) -> float:
        return oolong(truth, answer) if isinstance(truth, int) else set_f1(truth, answer)

    def knows(self, question: str) -> bool:
        return question.startswith(_MANY) or _CALLERS.match(question) is not None

    def notes(self, question: str, text: str, eye: Eye) -> list[str]:
        functions = [_as_note(match) for match in _FUNCTION.finditer(text)]
        functions += [match[0] for match in _NOTE.finditer(text)]
        noticed = eye.noticed(functions)
        if question.startswith(_MANY):
            return [note for note in noticed if int(_read(note)[1]) > 3]
        return [note for note in noticed if _called_in(question) in _read(note)[2].split()]

    def answer(self, question: str, notes: Sequence[str]) -> str:
        names = list(dict.fromkeys(_read(note)[0] for note in notes))
        return str(len(names)) if question.startswith(_MANY) else ", ".join(names) or "none"

    def code(self, question: str, depth: int) -> str:
        wanted = (
            "len(f.args.args) > 3"
            if question.startswith(_MANY)
            else "any(isinstance(n, ast.Call) and getattr(n.func, 'id', '') == "
            f"{_called_in(question)!r} for n in ast.walk(f))"
        )
        content = "len(found)" if question.startswith(_MANY) else "', '.join(found) or 'none'"
        return f"""import ast
functions = [f for d in context for f in ast.walk(ast.parse(d["text"])) if isinstance(f, ast.FunctionDef)]
found = [f.name for f in functions if {wanted}]
answer["content"] = {content}
answer["ready"] = True"""


def many_parameters(documents: dict[str, str]) -> int:
    return sum(len(function.args.args) > 3 for function in _functions(documents))


def callers_of(name: str, documents: dict[str, str]) -> list[str]:
    return [
        function.name
        for function in _functions(documents)
        if any(isinstance(node, ast.Call) and getattr(node.func, "id", "") == name for node in ast.walk(function))
    ]


def _functions(documents: dict[str, str]) -> list[ast.FunctionDef]:
    return [
        node for text in documents.values() for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)
    ]


def _function(rng: random.Random, names: list[str]) -> str:
    name = f"{rng.choice(_WORDS)}_{rng.choice(_WORDS)}_{len(names)}"
    parameters = rng.sample(_WORDS, rng.randrange(1, 6))
    called = rng.sample(names, min(len(names), rng.randrange(0, 3)))
    body = [f"    {parameters[0]} = {call}({parameters[0]})" for call in called]
    body += [f"    # {rng.choice(_WORDS)} the {rng.choice(_WORDS)}", f"    return {parameters[-1]}"]
    names.append(name)
    return f"def {name}({', '.join(parameters)}):\n" + "\n".join(body)


def _as_note(match: re.Match[str]) -> str:
    name, parameters, body = match.groups()
    return f"{name}({parameters.count(',') + 1 if parameters else 0}) calls {' '.join(_CALL.findall(body))}"


def _read(note: str) -> tuple[str, str, str]:
    found = _NOTE.match(note)
    assert found is not None, note
    return found[1], found[2], found[3]


def _called_in(question: str) -> str:
    found = _CALLERS.match(question)
    assert found is not None
    return found[1]
