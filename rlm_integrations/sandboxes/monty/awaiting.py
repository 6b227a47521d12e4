"""Code that awaits what the functions of the REPL return, which in the VM are plain values.

`await x` becomes `await _rlm_awaited(x)`, and `asyncio.gather` and `asyncio.run` take values too.
"""

from __future__ import annotations

import ast

Place = tuple[int, int]
"""Line, from 1, and column, from 0 in bytes."""
Edit = tuple[Place, Place, str]
"""From, to, and what stands there instead."""


def awaiting_edits(tree: ast.Module) -> list[Edit]:
    """What to change of code, within its lines."""
    edits: list[Edit] = []
    imported = {name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for name in _from_asyncio(node)}
    for node in ast.walk(tree):
        match node:
            case ast.Await(value):
                edits += _wrapped(value)
            case ast.Call(ast.Attribute(ast.Name("asyncio"), name) as called) if name in ("gather", "run"):
                edits += _taking_values(node, called, name)
            case ast.Call(ast.Name(name) as called) if name in imported:
                edits += _taking_values(node, called, name)
            case _:
                pass
    return edits


def edited(text: str, edits: list[Edit]) -> str:
    """The text with the edits made. Its lines stay as many."""
    lines = text.encode().split(b"\n")
    for (line, begin), (last, end), new in sorted(edits, reverse=True):
        assert line == last
        lines[line - 1] = lines[line - 1][:begin] + new.encode() + lines[line - 1][end:]
    return b"\n".join(lines).decode()


def _from_asyncio(node: ast.ImportFrom) -> list[str]:
    names = node.names if node.module == "asyncio" and not node.level else []
    return [alias.name for alias in names if alias.name in ("gather", "run") and alias.asname is None]


def _taking_values(call: ast.Call, called: ast.expr, name: str) -> list[Edit]:
    if name == "run":
        return _wrapped(call.args[0]) if call.args and not isinstance(call.args[0], ast.Starred) else []
    begin, end = _span(called)
    return [(begin, end, "_rlm_gather")] if begin[0] == end[0] else []


def _wrapped(value: ast.expr) -> list[Edit]:
    begin, end = _span(value)
    return [(begin, begin, "_rlm_awaited("), (end, end, ")")]


def _span(node: ast.expr) -> tuple[Place, Place]:
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)
