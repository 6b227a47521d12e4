"""What a piece of text does as Python, as far as one sees without running it. Never raises."""

from __future__ import annotations

import ast
import builtins
import keyword
import re
import textwrap
from collections.abc import Collection

from rlm_integrations.core.loop.lexing import without_strings
from rlm_integrations.core.parsed_python import MOST_CHARS, parsed
from rlm_integrations.frozen import frozen
from rlm_integrations.wire.names import OWN_NAMES

_MOST_DEPTH = 20
_OF_THE_SESSION = OWN_NAMES - {"exit", "quit"}
_OF_IT_ALONE = _OF_THE_SESSION - {"context", "answer", "search", "chunks", "cite", "retrieve"}
"""Names that code for something else has no use for."""
_SETS_ANSWER = re.compile(r"\banswer\[[\"'](?:content|ready)[\"']\]\s*+=(?!=)")
_ANSWER_KEY = re.compile(r"[\"'](?:content|ready)[\"']\s*+:")
_FINALS = ("final", "final_var", "final_answer")
_BUILTINS = frozenset(dir(builtins))


@frozen
class PythonCode:
    """Python that parses."""

    acts: bool
    """Whether it does more than name values: it calls, sets, imports or defines something."""
    free_names: frozenset[str]
    """Names that it uses and does not give a value to."""
    only_final: bool
    """Whether it does nothing but call FINAL or FINAL_VAR."""
    looks_up: bool
    """Whether it is one expression that calls something, or takes something out of a value."""
    computes: bool
    """Whether it is one expression that makes a value of names."""
    sets_answer: bool
    """Whether it sets `answer["content"]` or `answer["ready"]`, or `answer` to a dict of them."""

    def for_session(self, variables: Collection[str]) -> bool:
        """Whether it works on what only the session has: its functions, `context`, `answer`, or these variables."""
        return self.acts and (self.sets_answer or not self.free_names.isdisjoint(_OF_THE_SESSION.union(variables)))

    @property
    def only_for_session(self) -> bool:
        """Whether it cannot be meant for anything else, in whatever language."""
        return self.acts and (self.sets_answer or not self.free_names.isdisjoint(_OF_IT_ALONE))

    @property
    def self_contained(self) -> bool:
        """Whether it would mean the same anywhere else."""
        return self.free_names <= _BUILTINS


def read_python(text: str) -> PythonCode | None:
    """None where the text is no Python, or where it is too long or too nested to tell."""
    if len(text) > MOST_CHARS or not text.strip():
        return None
    bare = without_strings(textwrap.dedent(text), _MOST_DEPTH)  # else a wrong escape would warn the user
    if bare is None:
        return None
    tree = parsed(bare[0].strip("\n"))
    if tree is None:
        return None
    body = tree.body
    nodes = [node for statement in body for node in ast.walk(statement)]
    used = bare[1].difference(keyword.kwlist)
    used |= {node.id for node in nodes if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Store)}
    acting = [statement for statement in body if _acts(statement)]
    return PythonCode(
        bool(acting),
        used - _given(nodes),
        all(map(_is_final, acting)),
        _looks_up(body),
        _computes(body),
        ("answer" in used and _SETS_ANSWER.search(text) is not None)
        or (any(map(_is_answer_of_dict, body)) and _ANSWER_KEY.search(text) is not None),
    )


def _is_answer_of_dict(statement: ast.stmt) -> bool:
    match statement:
        case ast.Assign([ast.Name("answer")], ast.Dict()):
            return True
        case _:
            return False


_WORDS = (ast.In, ast.NotIn, ast.Is, ast.IsNot)
"""Comparisons that may as well be words."""


def _looks_up(body: list[ast.stmt]) -> bool:
    match body:
        case [ast.Expr(ast.Call() | ast.Subscript() | ast.Attribute())]:
            return True
        case _:
            return False


def _computes(body: list[ast.stmt]) -> bool:
    match body:
        case [ast.Expr(ast.BinOp() | ast.Dict() | ast.List() | ast.ListComp() | ast.DictComp() | ast.JoinedStr())]:
            return True
        case [ast.Expr(ast.IfExp())]:
            return True
        case [ast.Expr(ast.Compare(ops=ops))]:
            return not any(isinstance(op, _WORDS) for op in ops)
        case _:
            return False


def _acts(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.AnnAssign) and statement.value is None:
        return False  # "Answer: context" is prose
    if not isinstance(statement, (ast.Expr, ast.Pass)):
        return True
    return any(isinstance(node, (ast.Call, ast.Await)) for node in ast.walk(statement))


def _given(nodes: list[ast.AST]) -> set[str]:
    """Names that the code gives a value to."""
    names: set[str] = set()
    for node in nodes:
        match node:
            case ast.Name(name, ast.Store()) | ast.FunctionDef(name) | ast.AsyncFunctionDef(name) | ast.ClassDef(name):
                names.add(name)
            case ast.arg(name) | ast.ExceptHandler(name=str(name)):
                names.add(name)
            case ast.alias(name, renamed):
                names.add(renamed or name.partition(".")[0])
            case _:
                pass
    return names


def _is_final(statement: ast.AST) -> bool:
    match statement:
        case ast.Expr(ast.Tuple([ast.Name(), value])):  # "Therefore, FINAL(...)"
            return _is_final(ast.Expr(value))
        case ast.Expr(ast.Tuple(values) | ast.BoolOp(_, values)):  # several, or words between them
            return all(_is_final(ast.Expr(value)) for value in values)
        case ast.Expr(ast.Call(ast.Name(name)) | ast.UnaryOp(_, ast.Call(ast.Name(name)))):  # or an item of a list
            return name.lower() in _FINALS
        case _:
            return False
