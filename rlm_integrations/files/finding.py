"""Finding the files of paths that a user gave: each once, in order, and nothing that could keep whoever reads it."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from rlm_integrations.files.report import (
    HIDDEN,
    IGNORED,
    LINKED_FOLDER,
    NOT_ASKED_FOR,
    REPEATED,
    SPECIAL,
    UNREADABLE,
    FilesError,
    FilesReport,
    quoted,
)
from rlm_integrations.files.selection import Globs, IgnoreRules, Selection
from rlm_integrations.frozen import frozen

STDIN = "/dev/stdin"
_NEVER = frozenset({".git", "__pycache__"})
_url = re.compile(r"[A-Za-z][A-Za-z0-9+.-]++:/{1,3}+[^/]")
_descriptor = re.compile(r"/(?:dev|proc/self)/fd/\d++|/dev/stdin")


@frozen
class FoundFile:
    """A file that is to be read."""

    path: str
    name: str
    """Its id: the path with slashes."""
    size: int
    """Bytes when it was found; of a pipe 0."""
    given: bool
    """Whether it was named, not found in a folder."""


@frozen
class _Place:
    """A path in a walk: as it is opened, absolute, and as globs see it."""

    path: str
    absolute: str
    seen_by_globs: str

    def child(self, name: str) -> _Place:
        globbed = f"{self.seen_by_globs}/{name}" if self.seen_by_globs else name
        return _Place(os.path.join(self.path, name), os.path.join(self.absolute, name), globbed)


class Finder:
    """Finds files. It remembers them, so that one is found once whatever way leads to it."""

    def __init__(self, report: FilesReport, selection: Selection | None = None) -> None:
        self._report = report
        self._selection = selection or Selection()
        self._globs = Globs(self._selection.globs)
        self._seen: set[tuple[int, int]] = set()

    def find(self, given: str) -> list[FoundFile]:
        """The file of that path, or those of the folder at any depth.

        Raises FilesError for a path that is empty, a URL, a device or socket, or that cannot be read.
        """
        path, status = _existing(given)
        if stat.S_ISDIR(status.st_mode):
            return self._of_folder(path)
        return [] if self._repeated(path, status) else [_found(path, status, given=True)]

    def find_listed(self, path: str) -> list[FoundFile]:
        """The same for one of many paths in a list: what is wrong with it is reported, and ends nothing."""
        try:
            return self.find(path)
        except FilesError as error:
            self._report.skip(path, UNREADABLE, str(error))
            return []

    def _of_folder(self, folder: str) -> list[FoundFile]:
        absolute = os.path.abspath(folder)
        try:
            os.scandir(folder).close()
            inside = os.path.relpath(absolute)
        except (OSError, ValueError) as error:  # ValueError: another drive of Windows
            if isinstance(error, OSError):
                raise _unreadable(folder, error) from error
            inside = os.pardir
        seen_by_globs = "" if inside == os.curdir or inside.startswith(os.pardir) else inside.replace(os.sep, "/")
        rules = IgnoreRules.above(absolute, self._report) if self._selection.gitignore else IgnoreRules()
        found: list[FoundFile] = []
        links: list[_Place] = []
        for place, status in self._walk(_Place(folder, absolute, seen_by_globs), rules):
            if stat.S_ISLNK(status.st_mode):
                links.append(place)  # after all files, so that a link is left out and not the file
            elif not self._repeated(place.path, status):
                found.append(_found(place.path, status))
        for place in links:
            found += self._of_link(place.path)
        return sorted(found, key=lambda file: file.name.split("/")) if links else found

    def _walk(self, root: _Place, rules: IgnoreRules) -> Iterator[tuple[_Place, os.stat_result]]:
        """The regular files and links that are asked for, by name within each folder."""
        todo: list[tuple[_Place, os.stat_result | None, IgnoreRules]] = [(root, None, rules)]
        while todo:
            place, status, rules = todo.pop()
            if status is not None:
                yield place, status
                continue
            entries = self._entries(place.path)
            if self._selection.gitignore and any(entry.name == ".gitignore" for entry in entries):
                rules = rules.within(place.absolute, self._report)
            for entry in reversed(entries):
                child = place.child(entry.name)
                try:
                    known = entry.stat(follow_symlinks=False)
                except OSError as error:
                    self._report.skip(child.path, UNREADABLE, error.strerror or "")
                    continue
                if self._wanted(child, entry.name, known, rules):
                    todo.append((child, None if stat.S_ISDIR(known.st_mode) else known, rules))

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            self._report.skip(folder, UNREADABLE, error.strerror or "")
            return []

    def _wanted(self, place: _Place, name: str, status: os.stat_result, rules: IgnoreRules) -> bool:
        folder = stat.S_ISDIR(status.st_mode)
        asked = self._globs.asks_for(place.seen_by_globs, folder=folder)
        if name in _NEVER or (asked is None and name.startswith(".") and not self._selection.hidden):
            return self._left_out(place, HIDDEN)
        if asked is False:
            return self._left_out(place, NOT_ASKED_FOR)
        if not asked and rules.ignores(place.absolute, folder=folder):
            return self._left_out(place, IGNORED)
        if not (folder or stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)):
            return self._left_out(place, SPECIAL)
        return True

    def _left_out(self, place: _Place, kind: str) -> bool:
        self._report.skip(place.path, kind)
        return False

    def _of_link(self, path: str) -> list[FoundFile]:
        try:
            status = os.stat(path)
        except OSError as error:  # it leads nowhere, or in a circle
            self._report.skip(path, UNREADABLE, error.strerror or "")
            return []
        if not stat.S_ISREG(status.st_mode):
            self._report.skip(path, LINKED_FOLDER if stat.S_ISDIR(status.st_mode) else SPECIAL)
            return []
        return [] if self._repeated(path, status) else [_found(path, status)]

    def _repeated(self, path: str, status: os.stat_result) -> bool:
        key = status.st_dev, status.st_ino
        if key in self._seen:
            self._report.skip(path, REPEATED)
            return True
        self._seen.add(key)
        return False


def _found(path: str, status: os.stat_result, *, given: bool = False) -> FoundFile:
    size = status.st_size if stat.S_ISREG(status.st_mode) else 0
    name = path.replace(os.sep, "/").removeprefix("./")
    return FoundFile(path, "stdin" if path == STDIN else name, size, given)


def _existing(given: str) -> tuple[str, os.stat_result]:
    """The path, its `~` expanded where no file has that name. Raises FilesError."""
    if not given:  # it would be the current folder
        raise FilesError("the path is empty, as an unset variable is; pass . for the current folder")
    path = given if given == STDIN else str(Path(given))
    try:
        if path.startswith("~") and not os.path.lexists(path):
            path = os.path.expanduser(path)
        status = os.fstat(0) if path == STDIN else os.stat(path)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        if _url.match(given):
            raise FilesError(f"{quoted(given)} is a URL; download it, and pass the file") from error
        raise _unreadable(path, error) from error
    if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
        return path, status
    if _descriptor.fullmatch(path) and (stat.S_ISFIFO(status.st_mode) or path == STDIN):
        return path, status  # somebody has opened its other end
    what = "a FIFO" if stat.S_ISFIFO(status.st_mode) else "a device or a socket"
    raise FilesError(f"{quoted(path)} is {what}; pass files and folders")


def _unreadable(path: str, error: OSError | ValueError) -> FilesError:
    reason = error.strerror if isinstance(error, OSError) else error
    missing = isinstance(error, FileNotFoundError) or getattr(error, "errno", None) == errno.ENOTDIR
    remedy = "pass files and folders that exist" if missing else "pass a readable file"
    return FilesError(f"cannot read {quoted(path)}: {reason}; {remedy}")
