"""Interrupts without signals: the model's loops, functions and comprehensions look at the clock now and then.

They call `_rlm_tick`, the `__next__` of a C iterator, which comes back to Python once in a batch; how large that is
follows from how long the last one took. What spins inside one call of C is for the host to end.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from time import monotonic
from typing import Any, TypeVar

NAME = "_rlm_tick"
_BATCH_S = 0.01
_LARGEST = 1 << 10  # the next loop may take a millisecond for each turn

_WITH_BODIES = (ast.For, ast.AsyncFor, ast.While, ast.FunctionDef, ast.AsyncFunctionDef)
Tree = TypeVar("Tree", bound=ast.AST)


class Ticks:
    """What is called as `_rlm_tick` in a namespace."""

    def __init__(
        self, namespace: dict[str, Any], is_over: Callable[[], bool], interruptible: Callable[[], bool]
    ) -> None:
        """`is_over` asks whether the step is over its time, which takes a while."""
        self._namespace, self._is_over, self._interruptible = namespace, is_over, interruptible

    def begin_step(self) -> None:
        self._namespace[NAME] = chain.from_iterable(self._batches()).__next__

    def check(self) -> bool:
        """Raises KeyboardInterrupt where the step is over its time and the model's code runs."""
        if self._interruptible() and self._is_over():
            self._namespace[NAME] = self.check  # an iterator that raised is used up, and now each tick counts
            raise KeyboardInterrupt
        return True

    def _batches(self) -> Iterator[Iterator[bool]]:
        size, since = 1, monotonic()
        while True:
            yield repeat(True, size)
            now = monotonic()
            if now - since < _BATCH_S:
                size = min(size * 2, _LARGEST)
                continue
            size, since = max(size // 2, 1), now
            self.check()


class _Instrument(ast.NodeTransformer):
    def visit(self, node: ast.AST) -> Any:
        return self._body(node) if isinstance(node, _WITH_BODIES) else super().visit(node)

    def _tick(self, at: ast.AST) -> ast.expr:
        tick = ast.Call(ast.Name(NAME, ast.Load()), [], [])
        return ast.fix_missing_locations(ast.copy_location(tick, at))

    def _body(self, node: Any) -> Any:
        self.generic_visit(node)
        first = node.body[0]
        place = int(isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant))  # a docstring
        at = node.body[min(place, len(node.body) - 1)]
        node.body.insert(place, ast.copy_location(ast.Expr(self._tick(at)), at))
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.Lambda:
        self.generic_visit(node)
        body = node.body
        node.body = ast.copy_location(ast.BoolOp(ast.And(), [self._tick(body), body]), body)
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.comprehension:
        self.generic_visit(node)
        node.ifs.insert(0, self._tick(node.target))
        return node


def instrument(tree: Tree) -> Tree:
    """The tree, which is changed."""
    return _Instrument().visit(tree)
