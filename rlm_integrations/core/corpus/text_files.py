"""Files and folders of them, as documents."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.files.converter import Converter
from rlm_integrations.files.finding import Finder, FoundFile
from rlm_integrations.files.reading import read_files
from rlm_integrations.files.report import REPEATED, FilesError, FilesReport, quoted


class PathReader:
    """Reads the paths of one corpus, each file once. A context manager; `report` says what was read and skipped."""

    def __init__(self) -> None:
        self.report = FilesReport()
        self._finder = Finder(self.report)
        self._converter = Converter()

    def __enter__(self) -> PathReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._converter.close()

    def read(self, path: Path) -> list[Document]:
        """A file's documents, their ids beginning with the path as given; of a folder those of all files in it.

        Raises InvalidArgumentError for a file that cannot be read or is not text, and for a folder without a text file.
        """
        before = self.report.so_far
        try:
            found = self._finder.find(str(path))
            documents = documents_of(found, self.report, self._converter)
        except FilesError as error:
            raise InvalidArgumentError(f"context: {error}") from error
        if not documents:
            problem = nothing_in(str(path), self.report.since(before))
            if problem:
                raise InvalidArgumentError(f"context: {problem}")
        return documents


def documents_of(found: Iterable[FoundFile], report: FilesReport, converter: Converter) -> list[Document]:
    """The documents of files that were found. Raises FilesError as `read_files` does."""
    return [Document(file.id, file.text, file.metadata) for file in read_files(found, report, converter)]


def nothing_in(path: str, report: FilesReport) -> str:
    """What to say of a folder without documents, given the report of it alone; "" where it has none of its own."""
    if not os.path.isdir(path) or any(each.kind == REPEATED for each in report.skipped):
        return ""
    skipped = f" ({report.all_skipped})" if report.skipped else ""
    return f"no text file in the folder {quoted(path)}{skipped}; pass one that holds some"
