"""Which names of a source are bound in passing: what a loop leaves behind is nothing to keep or to show."""

from __future__ import annotations

from ast import (
    AST,
    AsyncFor,
    AsyncFunctionDef,
    AsyncWith,
    ClassDef,
    DictComp,
    For,
    FunctionDef,
    GeneratorExp,
    Lambda,
    ListComp,
    Module,
    Name,
    SetComp,
    Store,
    With,
    expr,
    iter_child_nodes,
    walk,
)
from collections.abc import Iterable


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
