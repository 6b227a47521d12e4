"""A block of the model's code, cut for the VM: what runs, the expression that is shown, the names that it binds."""

from __future__ import annotations

import ast
import re
import unicodedata
from dataclasses import dataclass

from rlm_integrations.repl.loop_names import loop_names
from rlm_integrations.sandboxes.monty.awaiting import awaiting_edits, edited
from rlm_integrations.wire.names import HIDDEN_PREFIX

_OWN_NAME = re.compile(rf"\b{HIDDEN_PREFIX}\w*")
_IDENTIFIER_FIELDS = ("id", "name", "asname", "arg", "rest", "names")
"""Where nodes hold names of variables, as texts or lists of texts."""


class OwnNameError(Exception):
    """Code uses a name that the REPL keeps for itself. `line` is None in code that cannot be parsed."""

    def __init__(self, name: str, line: int | None) -> None:
        super().__init__(
            f"NameError: the name {name[:100]!r} is not for your code, for those that begin with _rlm_ are the "
            "session's own; choose another. Nothing was run"
        )
        self.line = line


@dataclass(frozen=True, slots=True)
class Source:
    """Both parts keep the line numbers of the block."""

    body: str
    """It ends with None: the VM does not count a feed of nothing."""
    last: str = ""
    """A call that shows the trailing expression, if it ends with one."""
    last_line: int | None = None
    names: tuple[str, ...] = ()
    """Everything that is assigned or defined somewhere in it, in order."""
    imported: frozenset[str] = frozenset()
    loop_names: frozenset[str] = frozenset()
    """Bound as loop or `with` targets and nowhere else."""
    unbound: frozenset[str] = frozenset()
    """Names of caught exceptions: after their handler they are not bound any more."""


def read_source(text: str) -> Source:
    """Cut a block. What this Python cannot parse stays whole: the VM's grammar may be newer, or it will complain.

    Raises OwnNameError.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    try:
        tree = ast.parse(text)
        names, imported, looped, unbound = _bound(tree), _imported(tree), loop_names(tree), _unbound(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        if own := _OWN_NAME.search(unicodedata.normalize("NFKC", text)):  # as identifiers are
            raise OwnNameError(own[0], None) from None
        return Source(f"{text}\nNone")
    _refuse_own_names(tree)
    if edits := awaiting_edits(tree):
        text = edited(text, edits)
        tree = ast.parse(text)
    last = tree.body[-1] if tree.body else None
    if not isinstance(last, ast.Expr):
        return Source(f"{text}\nNone", "", None, names, imported, looped, unbound)
    before, expression = _cut(text, last)
    shown = "\n" * (last.lineno - 1) + f"_rlm_show(({expression}\n))"
    return Source(f"{before}\nNone", shown, last.lineno, names, imported, looped, unbound)


def _refuse_own_names(tree: ast.Module) -> None:
    line = 1
    for node in ast.walk(tree):
        line = getattr(node, "lineno", line)
        for field in _IDENTIFIER_FIELDS:
            value = getattr(node, field, None)
            for name in value if isinstance(value, list) else [value]:  # pyright: ignore[reportUnknownVariableType]
                if isinstance(name, str) and _OWN_NAME.match(name):
                    raise OwnNameError(name, line)


def _cut(text: str, last: ast.Expr) -> tuple[str, str]:
    """What stands before the last expression, and the expression. Columns count bytes."""
    lines = text.encode().split(b"\n")
    first, end = last.lineno - 1, (last.end_lineno or last.lineno) - 1
    before = [*lines[:first], lines[first][: last.col_offset]]
    inside = lines[first : end + 1]
    inside[-1] = inside[-1][: last.end_col_offset]
    inside[0] = inside[0][last.col_offset :]
    return b"\n".join(before).decode(), b"\n".join(inside).decode()


def _bound(tree: ast.Module) -> tuple[str, ...]:
    found: list[tuple[int, int, str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.append((node.lineno, node.col_offset, node.id))
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.append((node.lineno, node.col_offset, node.name))
    return tuple(dict.fromkeys(name for _, _, name in sorted(found)))


def _unbound(tree: ast.Module) -> frozenset[str]:
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler) and node.name)


def _imported(tree: ast.Module) -> frozenset[str]:
    return frozenset(
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    )
