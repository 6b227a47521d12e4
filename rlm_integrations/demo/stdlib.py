"""The demo's second corpus: the source of the standard library on this machine, and a plain count to check against."""

from __future__ import annotations

import ast
import sysconfig
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

STDLIB_QUESTION = """\
The corpus is the source of Python's standard library, one document for each file, its id the path. Leave out every \
file with a folder named test, tests or idle_test on its path. How many class statements name Exception itself, as a \
plain name, among their bases (nested ones count), and which file holds most of them (the first by name, where several \
do)?
Answer in three lines, each a name, a colon and the value:
classes: how many there are
file: the id of the file that holds most
in_file: how many it holds"""

STDLIB_ANSWER = ("classes", "file", "in_file")
"""The lines of the answer."""

_NOT_STDLIB = {"site-packages", "dist-packages", "__pycache__"}
_TEST_FOLDERS = {"test", "tests", "idle_test"}
_BLOCKS = ("body", "orelse", "handlers", "finalbody", "cases")


def read_stdlib() -> dict[str, str]:
    """Every .py file of the standard library, tests included: path in it -> text."""
    root = Path(sysconfig.get_path("stdlib"))
    files = {file.relative_to(root): file for file in sorted(root.rglob("*.py"))}
    return {
        path.as_posix(): file.read_bytes().decode("utf-8", "surrogateescape")
        for path, file in files.items()
        if not _NOT_STDLIB.intersection(path.parts)
    }


def counted_answer(sources: dict[str, str]) -> dict[str, str]:
    """The right answer, from a plain walk over the syntax trees of all the files that count."""
    counts = Counter({name: _subclasses_of_exception(text) for name, text in sources.items() if not _is_test(name)})
    top = min(counts, key=lambda name: (-counts[name], name))
    return {"classes": str(counts.total()), "file": top, "in_file": str(counts[top])}


def _is_test(name: str) -> bool:
    return bool(_TEST_FOLDERS.intersection(PurePosixPath(name).parts[:-1]))


def _subclasses_of_exception(source: str) -> int:
    if "Exception" not in source:  # parsing is slow
        return 0
    return _counted(ast.parse(source.encode("utf-8", "surrogateescape")).body)


def _counted(statements: Iterable[ast.AST]) -> int:
    """Among these and the statements in them, however deep. No expression holds one."""
    found = 0
    for statement in statements:
        if isinstance(statement, ast.ClassDef):
            found += any(isinstance(base, ast.Name) and base.id == "Exception" for base in statement.bases)
        for block in _BLOCKS:
            found += _counted(getattr(statement, block, ()))
    return found
