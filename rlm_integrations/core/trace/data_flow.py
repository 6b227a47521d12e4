"""What of a run's code read the corpus, and whether its answer came of that. Read, never run; never raises.

It is told statement by statement: what a statement that reads the corpus, or what came of it, names or changes, has
come of the corpus as well. So code that only writes words into the answer is told apart from code that found them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from rlm_integrations.core.parsed_python import MOST_CHARS, parsed
from rlm_integrations.wire.names import ANSWER, CONTEXT

_MOST_DEPTH = 40
_ESCAPED = re.compile(r"\\[\s\S]")
_BRACKET = re.compile(r"[()\[\]{}]")
_READING = frozenset((CONTEXT, "search", "chunks", "retrieve"))
_SETTING = frozenset(("FINAL", "FINAL_VAR"))


@dataclass(slots=True)
class DataFlow:
    """What is known after the steps that were followed."""

    from_corpus: set[str] = field(default_factory=set[str])
    """Names of what came of the corpus."""
    answer_from_corpus: bool = False
    """Whether the answer was set from it, when it was last set."""
    literals: list[str] = field(default_factory=list[str])
    """The strings that stand in the code itself."""

    def follow(self, code: str, sources: frozenset[str] = frozenset()) -> bool:
        """Go on with a block of code; whether it read the corpus, or what came of it.

        `sources` are names of functions that bring something from outside: the user's tools.
        """
        tree = _parsed(code)
        if tree is None:
            return False
        known = _READING | sources
        reads = [self._follow_statement(statement, known) for statement in tree.body]
        self.literals += (
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        )
        return any(reads)

    def _follow_statement(self, statement: ast.stmt, known: frozenset[str]) -> bool:
        reads = self._comes_of_it(statement, known)
        named = set(_named(statement)) - {ANSWER}
        if reads:
            self.from_corpus |= named
        elif isinstance(statement, (ast.Assign, ast.AnnAssign)):
            self.from_corpus -= named - _changed(statement)
        for setter, values in _answers(statement):
            added_to = isinstance(setter, ast.AugAssign) and self.answer_from_corpus
            self.answer_from_corpus = added_to or any(self._comes_of_it(value, known) for value in values)
            if isinstance(setter, ast.Call):  # FINAL_VAR("name")
                names = {value.value for value in values if isinstance(value, ast.Constant)}
                self.answer_from_corpus |= not names.isdisjoint(self.from_corpus)
        return reads

    def _comes_of_it(self, node: ast.AST, known: frozenset[str]) -> bool:
        return any(name in self.from_corpus or name in known for name in _read(node))


def _parsed(code: str) -> ast.Module | None:
    if len(code) > MOST_CHARS:
        return None
    bare = _ESCAPED.sub("  ", code)  # else a wrong escape would warn the user
    depth = 0
    for bracket in _BRACKET.finditer(bare):
        depth = depth + 1 if bracket[0] in "([{" else max(0, depth - 1)
        if depth > _MOST_DEPTH:  # a parser takes long over those
            return None
    return parsed(bare)


def _read(node: ast.AST) -> Iterator[str]:
    """Names whose values it takes: not those that it only changes."""
    changed = {id(base) for child in ast.walk(node) for base in _changed_bases(child)}
    for child in ast.walk(node):
        if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Load) and id(child) not in changed:
            yield child.id


def _named(node: ast.AST) -> Iterator[str]:
    """Names that it gives a value to, or whose values it may change."""
    for child in ast.walk(node):
        if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
            yield child.id
        elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield child.name
        elif isinstance(child, ast.Call) and isinstance(child.func, ast.Attribute):
            yield from (base.id for base in _base(child.func.value))
        yield from (base.id for base in _changed_bases(child))


def _changed_bases(node: ast.AST) -> Iterator[ast.Name]:
    """`x` of a target `x[...]` or `x.y`."""
    if isinstance(node, (ast.Subscript, ast.Attribute)) and isinstance(node.ctx, ast.Store):
        yield from _base(node.value)


def _base(node: ast.expr) -> Iterator[ast.Name]:
    while isinstance(node, (ast.Subscript, ast.Attribute)):
        node = node.value
    if isinstance(node, ast.Name):
        yield node


def _changed(statement: ast.stmt) -> set[str]:
    """Names of what stays what it was otherwise: `x[0] = ...`."""
    return {base.id for child in ast.walk(statement) for base in _changed_bases(child)}


def _answers(statement: ast.stmt) -> Iterator[tuple[ast.AST, list[ast.expr]]]:
    """What sets the answer in it, and the values that it sets it to."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Call) and _sets_answer(node.func):
            yield node, [*node.args, *(keyword.value for keyword in node.keywords)]
        elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if node.value is not None and any(_is_content(target) for target in targets):
                yield node, [node.value]


def _is_content(target: ast.expr) -> bool:
    if isinstance(target, (ast.Tuple, ast.List)):
        return any(_is_content(element) for element in target.elts)
    if isinstance(target, ast.Name):
        return target.id == ANSWER
    if not (isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name) and target.value.id == ANSWER):
        return False
    return not (isinstance(target.slice, ast.Constant) and target.slice.value == "ready")


def _sets_answer(function: ast.expr) -> bool:
    if isinstance(function, ast.Name):
        return function.id in _SETTING
    return isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == ANSWER
