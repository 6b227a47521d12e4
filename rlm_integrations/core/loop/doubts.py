"""Answers of code that are hardly meant: one of several, one that was written blindly, one that is not filled in.

Pure. Each is refused once: the same code again is taken at its word.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Collection, Sequence
from itertools import islice
from typing import NamedTuple

from rlm_integrations.core.loop.lexing import without_strings
from rlm_integrations.core.loop.session_code import read_python
from rlm_integrations.core.messages import Messages
from rlm_integrations.core.parsed_python import parsed
from rlm_integrations.core.prompts.texts import observation_part
from rlm_integrations.core.wording import one_line, plural
from rlm_integrations.wire.steps import StepDone

_MOST_BLOCKS, _MOST_FIELDS = 20, 20
_MOST_DEPTH = 20
_MOST_CHARS = 50_000
_AROUND = 10
"""Characters before an empty field by which it is known."""
_ANSWERS = frozenset(("answer", "FINAL", "FINAL_VAR"))
_BUILTINS = frozenset(dir(builtins))
_FIELD = re.compile(r"(?<![\\^_}\w{])\{(?P<expression>[^{}\n]{1,100}+)\}(?!\})")
"""What an f-string would fill in; behind a word, ^ or _ the braces are those of LaTeX."""
_EMPTY_FIELD = re.compile(r"(?<!['\"]: )(?<!= )(?<![^\s($€£\"'“])\{\}(?![\w{}])")
"""What `format` would fill in, as it stands among words: in JSON and in code it is empty."""
_NAME_ALONE = re.compile(
    r"\s*+(?>(?:FINAL(?>(?:_VAR)?)\(\s*+['\"]?+|<{1,2}+|\$\{{0,2}+|\{{1,2}+|%|`)?)\s*+(?P<name>[^\W\d]\w{0,60}+)"
    r"\s*+(?>(?:['\"]?+\s*+\)|>{1,2}+|\}{1,2}+|%|`)?)\s*+"
)
_WORD = re.compile(r"\w++")
_DIGITS, _SEPARATOR = re.compile(r"\d{2,}+"), re.compile(r"(?<=\d)[.,'’\u00a0\u202f](?=\d)")
_FIGURE_ALONE = re.compile(r"(?<![0-9A-Za-z_])\d{2,}+(?![A-Za-z_])")
"""No part of the tag of a fence."""
_SHOWN_CHARS = 80


class _Answer(NamedTuple):
    """What a block makes the answer, whatever happens in it."""

    expression: str
    """As Python writes it, with all strings empty."""
    names: frozenset[str]
    """Those that it uses."""


def doubt_of(
    blocks: Sequence[str], done: StepDone, variables: Collection[str], *, shown: Messages | None = None
) -> str | None:
    """Why the answer that these blocks set is hardly meant, in words for the root LM; None where it may be.

    `shown`: what the root LM has seen if no code has run before; else None, for a figure may come from there.
    """
    if len(blocks) > 1:
        answers = [_answer_of(block) for block in blocks[:_MOST_BLOCKS]]
        setting = [place for place, answer in enumerate(answers) if answer is not None]
        if any(not _is_same(blocks, answers, setting[0], place) for place in setting[1:]):
            return observation_part("answer_of_several", blocks=plural(len(setting), "block"))
        if setting and setting[0] and not done.output.empty and _is_blind(blocks, setting[0]):
            return observation_part("answer_unseen")
    elif shown is not None and blocks and _is_blind_in_itself(blocks[0]) and _has_unseen_figures(done, shown):
        return observation_part("answer_unseen")
    if (named := named_variable(done.answer.content, blocks, variables)) is not None:
        return observation_part("answer_named", named=named)
    field = _unfilled(done, blocks, variables)
    return None if field is None else observation_part("answer_unfilled", field=one_line(field, _SHOWN_CHARS))


def unfilled(said: str, variables: Collection[str], question: str) -> str | None:
    """Why words are hardly an answer: they are only the name of a variable, or hold one to be filled in.

    Unless the question has the same.
    """
    if len(said) > _MOST_CHARS:
        return None
    alone = _NAME_ALONE.fullmatch(said)
    if alone is not None and alone["name"] in variables and alone["name"] not in _WORD.findall(question):
        return f"the reply was but {alone['name']!r}, the name of a variable"
    for field in islice(_FIELD.finditer(said), _MOST_FIELDS):
        if _is_expression(field["expression"], variables) and field[0] not in question:
            return f"{one_line(field[0], _SHOWN_CHARS)} in the reply was not filled in"
    return None


def touches_answer(blocks: Sequence[str]) -> bool:
    """Whether one of them may set the answer."""
    codes = map(read_python, blocks)
    return any(code is None or code.sets_answer or not code.free_names.isdisjoint(_ANSWERS) for code in codes)


def _answer_of(block: str) -> _Answer | None:
    """Of the last statement of the block that sets it, and stands in no other."""
    if len(block) > _MOST_CHARS or (body := _body(block)) is None:
        return None
    content: ast.expr | None = None
    found: ast.expr | None = None
    for statement in body:
        match statement:
            case ast.Expr(ast.Call(ast.Name("FINAL" | "FINAL_VAR"), [argument])):
                found = argument
            case ast.Assign([ast.Subscript(ast.Name("answer"))], ast.Constant(True)):
                found = content or ast.Constant(None)
            case ast.Assign([ast.Subscript(ast.Name("answer"))], value):
                content = value
            case ast.Assign([ast.Name("answer")], ast.Dict(values=values) as value) if any(map(_is_true, values)):
                found = value
            case _:
                pass
    if found is None:
        return None
    names = frozenset(node.id for node in ast.walk(found) if isinstance(node, ast.Name))
    return _Answer(ast.unparse(found), names)


def _body(block: str) -> list[ast.stmt] | None:
    """The statements of a block with all its strings empty; None where it is no Python."""
    bare = without_strings(block, _MOST_DEPTH)
    tree = None if bare is None else parsed(bare[0].strip("\n"))
    return None if tree is None else tree.body


def _is_true(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is True


def _is_same(blocks: Sequence[str], answers: Sequence[_Answer | None], one: int, other: int) -> bool:
    """Whether a block sets the answer that an earlier one has set: so do those who say it twice."""
    if blocks[one].strip() == blocks[other].strip():
        return True
    first, second = answers[one], answers[other]
    if first is None or second is None or first.expression != second.expression or "'" in first.expression:
        return False
    nodes = [node for statement in _body(blocks[other]) or () for node in ast.walk(statement)]
    given = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return second.names.isdisjoint(given)


def _is_blind(blocks: Sequence[str], at: int) -> bool:
    """Whether a block uses nothing that the session has, and stands below one that prints."""
    code = read_python(blocks[at])
    if code is None or not code.free_names - _ANSWERS <= _BUILTINS:
        return False
    return any(_prints(_body(block) or []) for block in blocks[:at])


def _has_unseen_figures(done: StepDone, shown: Messages) -> bool:
    """Whether a figure in the answer stands nowhere in what was printed beside it, as far as that is all there, nor in
    what was shown before, such as the question.

    One of a single digit may be the number of anything.
    """
    if done.output.cut_chars or max(len(done.answer.content), shown.chars) > _MOST_CHARS:
        return False
    unseen = _figures(done.answer.content) - _figures(done.output.head + done.output.tail)
    words = [_SEPARATOR.sub("", message.content) for message in shown] if unseen else []
    return not unseen <= {figure for text in words for figure in _FIGURE_ALONE.findall(text)}


def _figures(text: str) -> set[str]:
    return set(_DIGITS.findall(_SEPARATOR.sub("", text)))


def _is_blind_in_itself(block: str) -> bool:
    """Whether a block shows something of what it has found, and then makes a text of its own the answer."""
    shown = blind = False
    for statement in (_body(block) if len(block) <= _MOST_CHARS else None) or ():
        match statement:
            case ast.Expr(ast.Call(ast.Name("FINAL" | "FINAL_VAR"), [value])):
                blind = shown and _is_written_out(value)
            case ast.Assign([ast.Subscript(ast.Name("answer"))], ast.Constant(True)):
                pass
            case ast.Assign([ast.Subscript(ast.Name("answer"))] | [ast.Name("answer")], value):
                blind = shown and _is_written_out(value)
            case ast.Expr(ast.Call(ast.Name("print"), values)):
                shown = shown or not all(map(_is_written_out, values))
            case _ if any(isinstance(node, ast.Name) and node.id == "answer" for node in ast.walk(statement)):
                blind = False  # what it does to the answer may come from the session
            case _:
                pass
    return blind


def _is_written_out(value: ast.expr) -> bool:
    """Whether nothing in it comes from the session but the answer as it was set before."""
    nodes = list(ast.walk(value))
    if any(isinstance(node, ast.JoinedStr) for node in nodes):
        return False
    return all(node.id in _ANSWERS for node in nodes if isinstance(node, ast.Name))


def _prints(body: Sequence[ast.stmt]) -> bool:
    if body and isinstance(body[-1], ast.Expr):
        return True
    return any(isinstance(node, ast.Name) and node.id == "print" for each in body for node in ast.walk(each))


def named_variable(content: str, blocks: Sequence[str], variables: Collection[str]) -> str | None:
    """That all of the answer is the name of a variable, in words, where it stands so in the code that sets it."""
    alone = _NAME_ALONE.fullmatch(content)
    if alone is None or alone["name"] not in variables:
        return None
    written = re.compile(
        rf"(?:\bFINAL\(|\bcontent['\"]\s*+\]\s*+=|\bcontent['\"]\s*+:)\s*+['\"]{{1,3}}+{re.escape(content)}['\"]"
    )
    return observation_part("named", name=alone["name"]) if any(map(written.search, blocks)) else None


def _unfilled(done: StepDone, blocks: Sequence[str], variables: Collection[str]) -> str | None:
    """The first field of the answer that names a variable, or nothing, and stands in the code as in the answer."""
    content = done.answer.content
    if "{" not in content or len(content) > _MOST_CHARS:
        return None
    for field in islice(_FIELD.finditer(content), _MOST_FIELDS):
        written = re.compile(rf"(?<!\{{){re.escape(field[0])}(?!\}})")
        if _is_expression(field["expression"], variables) and any(map(written.search, blocks)):
            return field[0]
    for field in () if done.answer.is_json else islice(_EMPTY_FIELD.finditer(content), 1):
        around = re.escape(content[max(0, field.start() - _AROUND) : field.end()].rpartition("\n")[2])
        if any(re.search(around, block) for block in blocks):
            return field[0]
    return None


def _is_expression(text: str, variables: Collection[str]) -> bool:
    """Whether it is one that uses variables, with or without how to write its value; no set of several."""
    for expression in (text, text.partition(":")[0].partition("!")[0]):
        code = None if "," in expression and not set("([") & set(expression) else read_python(expression)
        if code is not None:
            return not code.free_names.isdisjoint(variables) and code.free_names <= _BUILTINS.union(variables)
    return False
