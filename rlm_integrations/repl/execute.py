"""One block of the model's code: compile it, run it, show the value of its last expression."""

from __future__ import annotations

import linecache
from ast import (
    AST,
    AsyncFor,
    AsyncFunctionDef,
    AsyncWith,
    ClassDef,
    DictComp,
    Expr,
    Expression,
    For,
    FunctionDef,
    GeneratorExp,
    Lambda,
    ListComp,
    Module,
    Name,
    PyCF_ALLOW_TOP_LEVEL_AWAIT,
    SetComp,
    Store,
    With,
    expr,
    iter_child_nodes,
    parse,
    walk,
)
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from inspect import CO_COROUTINE
from types import CodeType
from typing import Any

from rlm_integrations.repl.event_loop import ReplLoop

_source_lines = linecache.cache


@dataclass(frozen=True, slots=True)
class Block:
    """A compiled block."""

    body: CodeType
    last: CodeType | None
    """Its trailing expression, if it ends with one."""
    last_line: int | None
    loop_names: frozenset[str]
    """Names that it binds as loop or `with` targets and nowhere else."""


def compile_block(source: str, filename: str) -> Block:
    """Compile the source; tracebacks and `inspect.getsource` find it under the filename from now on.

    Raises what `compile` raises: SyntaxError, and ValueError, RecursionError and others for odd sources.
    """
    _source_lines[filename] = (len(source), None, [f"{line}\n" for line in source.split("\n")], filename)
    tree = parse(source, filename)
    last_line = None
    last = None
    looped = loop_names(tree) if "for" in source or "with" in source else frozenset[str]()
    if tree.body and isinstance(tree.body[-1], Expr):
        expression = tree.body.pop()
        assert isinstance(expression, Expr)
        last_line = expression.lineno
        last = _compile(Expression(expression.value), filename, "eval")
    return Block(_compile(tree, filename, "exec"), last, last_line, looped)


def run_block(block: Block, namespace: dict[str, Any], loop: ReplLoop, show: Callable[[Any], None]) -> None:
    """Run the block in the namespace and show its last value. Raises whatever the code raises."""
    for code in (block.body, block.last):
        if code is None:
            continue
        value = eval(code, namespace)
        if code.co_flags & CO_COROUTINE:
            value = loop.run(value)
        if code is block.last and value is not None:
            show(value)


def _compile(tree: Module | Expression, filename: str, mode: str) -> CodeType:
    # dont_inherit: this module's own `from __future__` must not reach the model's code
    return compile(tree, filename, mode, flags=PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)


def loop_names(tree: Module) -> frozenset[str]:
    """Names that the source binds as loop or `with` targets and nowhere else."""
    looped: set[str] = set()
    stored: set[str] = set()
    todo: list[AST] = list(tree.body)
    while todo:
        node = todo.pop()
        match node:
            case FunctionDef() | AsyncFunctionDef() | ClassDef():
                stored.add(node.name)
            case Lambda() | ListComp() | SetComp() | DictComp() | GeneratorExp():
                pass  # scopes of their own
            case For() | AsyncFor():
                looped |= _names_in([node.target])
                todo += [node.iter, *node.body, *node.orelse]
            case With() | AsyncWith():
                looped |= _names_in(item.optional_vars for item in node.items)
                todo += [*(item.context_expr for item in node.items), *node.body]
            case Name(ctx=Store()):
                stored.add(node.id)
            case _:
                todo += iter_child_nodes(node)
    return frozenset(looped - stored)


def _names_in(targets: Iterable[expr | None]) -> set[str]:
    return {
        node.id
        for target in targets
        if target is not None
        for node in walk(target)
        if isinstance(node, Name) and isinstance(node.ctx, Store)
    }
