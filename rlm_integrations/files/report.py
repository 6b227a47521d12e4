"""What was read of files and folders, and what was skipped and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from rlm_integrations.files.rows import Table, common_table
from rlm_integrations.frozen import frozen

INSTALL = 'pip install "rlm-integrations[files]"'
INSTALL_PARQUET = 'pip install "rlm-integrations[parquet]"'

HIDDEN = "hidden"
IGNORED = "ignored by .gitignore"
NOT_ASKED_FOR = "left out by the globs"
REPEATED = "given or linked twice"
UNREADABLE = "unreadable"
EMPTY = "empty"
BINARY = "binary"
SPECIAL = "FIFO, socket or device"
LINKED_FOLDER = "link to a folder"

_MEANT = frozenset({HIDDEN, IGNORED, NOT_ASKED_FOR, REPEATED, LINKED_FOLDER})
_SAYS_ENOUGH = frozenset({BINARY, EMPTY, SPECIAL})
_EXAMPLES = 3
_NAME_CHARS = 200


class FilesError(ValueError):
    """Nothing can be read of what was given. The message says why, and what to pass instead."""


@frozen
class Skipped:
    """A file or folder that was not read. `kind` is what a count stands for, as "binary" or ".zip"."""

    path: str
    kind: str
    detail: str = ""

    @property
    def named(self) -> str:
        """Its name in one line, with the reason."""
        return quoted(self.path) + (f": {self.detail}" if self.detail else "")


@dataclass
class FilesReport:
    """Grows while files are read."""

    files: int = 0
    """How many were read."""
    documents: int = 0
    skipped: list[Skipped] = field(default_factory=list[Skipped])
    notes: list[Skipped] = field(default_factory=list[Skipped])
    """Files that were read otherwise than might be thought: in a guessed encoding, for instance."""
    plain: set[str] = field(default_factory=set[str])
    """The ids of documents whose lines are their file's."""
    tables: list[Table] = field(default_factory=list[Table])
    """Of the files that became rows."""
    rows: int = 0
    """How many documents are rows of these."""

    def skip(self, path: str, kind: str, detail: str = "") -> None:
        self.skipped.append(Skipped(path, kind, detail))

    def note(self, path: str, kind: str, detail: str = "") -> None:
        self.notes.append(Skipped(path, kind, detail))

    def table_of(self, documents: int) -> Table | None:
        """The table that so many documents are the rows of: None where some are no rows, or the columns differ."""
        return common_table(self.tables) if self.rows == documents else None

    @property
    def so_far(self) -> int:
        """For `since`."""
        return len(self.skipped)

    def since(self, then: int) -> FilesReport:
        """What was skipped since, alone."""
        return FilesReport(skipped=self.skipped[then:])

    @property
    def line(self) -> str:
        """All in one line: "2,364 documents; skipped 1,663 .zip, 35 binary"."""
        of_files = "" if self.files == self.documents else f" of {_plural(self.files, 'file')}"
        return f"{_plural(self.documents, 'document')}{of_files}{_clauses(self.skipped, self.notes)}"

    @property
    def missed(self) -> str:
        """In one line what a user might miss, "" where that is nothing. What is left out on purpose is not missed."""
        return _clauses([each for each in self.skipped if each.kind not in _MEANT], self.notes).removeprefix("; ")

    @property
    def all_skipped(self) -> str:
        """ "skipped 3 empty, 2 binary", or ""."""
        return _clauses(self.skipped, ()).removeprefix("; ")


def quoted(path: str) -> str:
    """A name as it may stand in a line of ours: what would break the line, or is half a character, is escaped."""
    shown = path if len(path) <= _NAME_CHARS else f"{path[: _NAME_CHARS // 2]}…{path[-_NAME_CHARS // 2 :]}"
    return repr(shown)


def _clauses(skipped: Iterable[Skipped], notes: Iterable[Skipped]) -> str:
    left_out = ", ".join(_counts(skipped))
    return "".join(f"; {clause}" for clause in ([f"skipped {left_out}"] if left_out else []) + _counts(notes))


def _counts(entries: Iterable[Skipped]) -> list[str]:
    """Each kind with its number, the largest first."""
    listed = list(entries)
    counts = Counter(entry.kind for entry in listed)
    lines: list[str] = []
    for kind, count in counts.most_common():
        same = [entry for entry in listed if entry.kind == kind]
        lines.append(f"{count:,} {kind}{_examples(same)}")
    return lines


def _examples(entries: list[Skipped]) -> str:
    """The first names and reasons; where all have one reason, that; "" for kinds that say enough."""
    reasons = {entry.detail for entry in entries}
    kind = entries[0].kind
    if len(entries) > 1 and len(reasons) == 1 and (reason := next(iter(reasons))):
        return f" ({reason})"
    if reasons == {""} and (kind in _SAYS_ENOUGH or kind in _MEANT or kind.startswith(".")):
        return ""
    more = ", …" if len(entries) > _EXAMPLES else ""
    return f" ({', '.join(entry.named for entry in entries[:_EXAMPLES])}{more})"


def _plural(count: int, one: str) -> str:
    return f"{count:,} {one}{'' if count == 1 else 's'}"
