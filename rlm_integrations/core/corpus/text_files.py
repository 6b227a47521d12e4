"""Files and folders of them, as documents."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.files.report import REPEATED, FilesError, FilesReport, quoted

if TYPE_CHECKING:
    from rlm_integrations.files.converter import Converter
    from rlm_integrations.files.finding import Finder, FoundFile


class PathReader:
    """Reads the paths of one corpus, each file once. A context manager; `report` says what was read and skipped."""

    def __init__(self) -> None:
        self.report = FilesReport()
        self._opened: tuple[Finder, Converter] | None = None

    def __enter__(self) -> PathReader:
        return self

    def __exit__(self, *_: object) -> None:
        if self._opened is not None:
            self._opened[1].close()

    def read(self, path: Path) -> list[Document]:
        """A file's documents, their ids beginning with the path as given; of a folder those of all files in it.

        Raises InvalidArgumentError for a file that cannot be read or is not text, and for a folder without a text file.
        """
        before = self.report.so_far
        if self._opened is None:
            self._opened = _open(self.report)
        finder, converter = self._opened
        try:
            documents = documents_of(finder.find(str(path)), self.report, converter)
        except FilesError as error:
            raise InvalidArgumentError(f"context: {error}") from error
        if not documents:
            problem = nothing_in(str(path), self.report.since(before))
            if problem:
                raise InvalidArgumentError(f"context: {problem}")
        return documents


def _open(report: FilesReport) -> tuple[Finder, Converter]:
    """Few corpora are files, and those are read in a thread: what finds and reads them is imported there."""
    from rlm_integrations.files.converter import Converter
    from rlm_integrations.files.finding import Finder

    return Finder(report), Converter()


def documents_of(found: Iterable[FoundFile], report: FilesReport, converter: Converter) -> list[Document]:
    """The documents of files that were found. Raises FilesError as `read_files` does."""
    from rlm_integrations.files.reading import read_files

    return [Document(file.id, file.text, file.metadata) for file in read_files(found, report, converter)]


def nothing_in(path: str, report: FilesReport) -> str:
    """What to say of a folder without documents, given the report of it alone; "" where it has none of its own."""
    if not os.path.isdir(path) or any(each.kind == REPEATED for each in report.skipped):
        return ""
    skipped = f" ({report.all_skipped})" if report.skipped else ""
    return f"no text file in the folder {quoted(path)}{skipped}; pass one that holds some"
