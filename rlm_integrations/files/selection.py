"""Which files of a folder are meant: hidden ones, globs, and what `.gitignore` files leave out."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any, Protocol, cast

from rlm_integrations.files.report import INSTALL, FilesError, FilesReport
from rlm_integrations.frozen import frozen

_RULES_BYTES = 1 << 20
_STARS = 3  # of a segment, and of `**` in a pattern: more could take a name's length to that power to match
_star_runs = re.compile(r"\*++")


@frozen
class Selection:
    """What is taken of a folder.

    Args:
        hidden: Names that begin with a dot too. `.git` and `__pycache__` never are.
        globs: As ripgrep's -g: files that match one, or none of those that begin with "!". The last that matches
            decides, and what a glob asks for is taken though it is hidden or ignored.
        gitignore: Leave out what `.gitignore` files do.
    """

    hidden: bool = False
    globs: tuple[str, ...] = ()
    gitignore: bool = True


class _Verdict(Protocol):
    include: bool | None


class _Spec(Protocol):
    def check_file(self, file: str) -> _Verdict: ...


class Globs:
    """The globs of a selection. Raises FilesError for one that is none, and where pathspec is missing."""

    def __init__(self, globs: Sequence[str]) -> None:
        for glob in globs:
            if not glob.strip("!/ "):
                raise FilesError(f"the glob {glob!r} is empty; pass one as '*.md', or '!*.md' to leave out")
            if _takes_long(glob):
                raise FilesError(f"the glob {glob!r} has too many stars; pass several simpler ones")
        self._spec = _spec(globs) if globs else None
        if globs and self._spec is None:
            raise FilesError(f"globs need pathspec: {INSTALL}")
        self._only = any(not glob.startswith("!") for glob in globs)

    def asks_for(self, path: str, *, folder: bool) -> bool | None:
        """Whether the path is asked for or left out; None where the globs say nothing of it."""
        if self._spec is None:
            return None
        said = self._spec.check_file(path + "/" * folder).include
        return False if said is None and self._only and not folder else said


class IgnoreRules:
    """The rules of the `.gitignore` files that hold for a folder: the deepest that speaks of a path decides."""

    def __init__(self, rules: tuple[tuple[str, _Spec], ...] = ()) -> None:
        self._rules = rules

    @classmethod
    def above(cls, folder: str, report: FilesReport) -> IgnoreRules:
        """Those of the repository around a folder, from its root down; none where they leave out the folder itself."""
        parents: list[str] = []
        place = folder
        while not os.path.lexists(os.path.join(place, ".git")):
            parent = os.path.dirname(place)
            if parent == place:
                return cls()
            parents.append(parent)
            place = parent
        rules = cls()._with(place, os.path.join(place, ".git", "info", "exclude"), report)
        for parent in reversed(parents):
            rules = rules.within(parent, report)
        return cls() if rules.ignores(folder, folder=True) else rules

    def within(self, folder: str, report: FilesReport) -> IgnoreRules:
        """These and those of the folder itself."""
        return self._with(folder, os.path.join(folder, ".gitignore"), report)

    def ignores(self, path: str, *, folder: bool) -> bool:
        """Whether an absolute path is left out."""
        for base, spec in reversed(self._rules):
            if path.startswith(base):
                said = spec.check_file(path[len(base) :] + "/" * folder).include
                if said is not None:
                    return said
        return False

    def _with(self, folder: str, file: str, report: FilesReport) -> IgnoreRules:
        if not os.path.isfile(file):
            return self
        try:
            with open(file, encoding="utf-8-sig", errors="surrogateescape") as rules:
                lines = rules.read(_RULES_BYTES).splitlines()
        except OSError as error:
            report.note(file, "rules not honoured", error.strerror or "")
            return self
        simple = [line for line in lines if line.startswith("#") or not _takes_long(line)]
        if len(simple) < len(lines):
            report.note(file, "rules honoured in part", "patterns with too many stars")
        spec = _spec(simple)
        if spec is None:
            report.note(file, "rules not honoured", f"they need pathspec: {INSTALL}")
            return self
        return IgnoreRules((*self._rules, (os.path.join(folder, ""), spec)))


def _takes_long(pattern: str) -> bool:
    segments = pattern.split("/")
    return segments.count("**") > _STARS or any(len(_star_runs.findall(segment)) > _STARS for segment in segments)


def _spec(lines: Sequence[str]) -> _Spec | None:
    """Compiled; None where pathspec is not installed."""
    try:
        import pathspec
    except ImportError:
        return None
    try:
        return cast(Any, pathspec).GitIgnoreSpec.from_lines(lines)
    except ValueError as error:
        raise FilesError(f"a pattern cannot be read: {error}") from error
