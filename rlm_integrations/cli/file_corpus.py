"""The corpus of `ask`: the files and folders that were named, found at once and read when the run is about to begin."""

from __future__ import annotations

import os
from codecs import BOM_UTF8
from collections.abc import Sequence
from dataclasses import dataclass, field

import typer

from rlm_integrations.cli.agreement import can_be_asked, confirmed
from rlm_integrations.cli.exit_codes import FAILED
from rlm_integrations.core.corpus.corpus import Corpus, unique_ids
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.text_files import documents_of, nothing_in
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.wording import number, plural
from rlm_integrations.files.converter import Converter
from rlm_integrations.files.finding import STDIN, Finder, FoundFile
from rlm_integrations.files.kinds import SNIFFED_BYTES, wide_encoding
from rlm_integrations.files.report import FilesError, FilesReport, Skipped, quoted
from rlm_integrations.files.selection import Selection
from rlm_integrations.terminal.streams import say

MANY_FILES = 5_000
"""From so many on a person at a terminal is asked first: a whole home folder may have been given by mistake."""


@dataclass(frozen=True)
class _Group:
    """What was found of one path, and what was skipped on the way."""

    path: str
    found: list[FoundFile]
    skipped: list[Skipped]
    listed: bool


@dataclass
class FileCorpus:
    """Files that were found. `report` grows as they are read."""

    groups: list[_Group] = field(default_factory=list[_Group])
    report: FilesReport = field(default_factory=FilesReport)

    @property
    def files(self) -> list[FoundFile]:
        return [file for group in self.groups for file in group.found]

    def read(self) -> Corpus:
        """Raises InvalidArgumentError for what cannot be read, and for folders without a text file."""
        documents: list[Document] = []
        try:
            with Converter() as converter:
                for group in self.groups:
                    before = self.report.so_far
                    read = documents_of(group.found, self.report, converter)
                    if not read and not group.listed:
                        skipped = FilesReport(skipped=[*group.skipped, *self.report.since(before).skipped])
                        if problem := nothing_in(group.path, skipped):
                            raise FilesError(problem)
                    documents += read
        except FilesError as error:
            raise InvalidArgumentError(f"PATH: {error}") from error
        if not documents:
            raise InvalidArgumentError(f"PATH: nothing to read ({self.report.all_skipped or 'no file is named'})")
        return Corpus(unique_ids(documents), files=self.report, table=self.report.table_of(len(documents)))


def find_corpus(paths: Sequence[str], files_from: str | None, selection: Selection) -> FileCorpus:
    """The files of paths ("-": standard input), and of those in a list. None of them is read, or waited for.

    Raises InvalidArgumentError for paths that cannot be read; what is wrong with one in a list is reported.
    """
    if not paths and files_from is None:
        raise InvalidArgumentError("PATH: none is given; pass files and folders, - for standard input, or --files-from")
    if files_from == "-" and "-" in paths:
        raise InvalidArgumentError("--files-from: standard input is the list, and cannot be the corpus too")
    corpus = FileCorpus()
    try:
        finder = Finder(corpus.report, selection)
        for path in [*map(_named, paths), *([] if files_from is None else _listed(files_from))]:
            before = corpus.report.so_far
            found = finder.find(path) if len(corpus.groups) < len(paths) else finder.find_listed(path)
            skipped = corpus.report.since(before).skipped
            corpus.groups.append(_Group(path, found, skipped, len(corpus.groups) >= len(paths)))
    except FilesError as error:
        raise InvalidArgumentError(f"PATH: {error}") from error
    return corpus


def check_stdin_is_free(paths: Sequence[str], files_from: str | None) -> None:
    """For what has its questions from there. Raises InvalidArgumentError where standard input is named as corpus."""
    for option, given in (("PATH", "-" in paths), ("--files-from", files_from == "-")):
        if given:
            raise InvalidArgumentError(f"{option}: - is standard input, which the questions come from; pass a file")


def confirm(corpus: FileCorpus) -> None:
    """Ask a person whether so many files are meant. Raises typer.Exit where they are not; asks no program."""
    files = corpus.files
    if len(files) < MANY_FILES or not can_be_asked():
        return
    megabytes = max(1, sum(file.size for file in files) >> 20)
    if not confirmed(f"{plural(len(files), 'file')}, {number(megabytes)} MB, are to be read."):
        say("Nothing was read or asked. Name fewer files, or leave some out: -g '!node_modules'")
        raise typer.Exit(FAILED)


def _named(path: str) -> str:
    return STDIN if path == "-" else path


def _listed(source: str) -> list[str]:
    """The paths in a file, one a line, or with zero bytes between them."""
    try:
        with open(0 if source == "-" else source, "rb", closefd=source != "-") as file:
            content = file.read()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InvalidArgumentError(
            f"--files-from: cannot read {quoted(source)}: {reason}; pass a list of paths"
        ) from error
    if encoding := wide_encoding(content[:SNIFFED_BYTES]):  # its zero bytes are halves of characters
        try:
            return [path for path in content.decode(encoding).removeprefix("\ufeff").splitlines() if path.strip()]
        except UnicodeDecodeError as error:
            raise InvalidArgumentError(f"--files-from: {quoted(source)} is damaged {encoding.upper()}") from error
    content = content.removeprefix(BOM_UTF8)
    paths = content.split(b"\0") if b"\0" in content else content.splitlines()
    return [os.fsdecode(path) for path in paths if path.strip()]
