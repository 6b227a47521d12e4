"""One block of the model's code: compile it, run it, show the value of its last expression."""

from __future__ import annotations

import linecache
from ast import Expr, Expression, Module, PyCF_ALLOW_TOP_LEVEL_AWAIT, parse
from collections.abc import Callable
from inspect import CO_COROUTINE
from types import CodeType
from typing import Any

from rlm_integrations.frozen import frozen
from rlm_integrations.repl.event_loop import ReplLoop
from rlm_integrations.repl.loop_names import loop_names

_source_lines = linecache.cache


@frozen
class Block:
    """A compiled block."""

    body: CodeType
    last: CodeType | None
    """Its trailing expression, if it ends with one."""
    last_line: int | None
    loop_names: frozenset[str]
    """Names that it binds as loop or `with` targets and nowhere else."""


def compile_block(source: str, filename: str, rewrite: Callable[[Module], Module] | None = None) -> Block:
    """Compile the source; tracebacks and `inspect.getsource` find it under the filename from now on.

    `rewrite` is what a sandbox does to its syntax tree before.

    Raises what `compile` raises: SyntaxError, and ValueError, RecursionError and others for odd sources.
    """
    _source_lines[filename] = (len(source), None, [f"{line}\n" for line in source.split("\n")], filename)
    tree = parse(source, filename)
    if rewrite is not None:
        tree = rewrite(tree)
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
