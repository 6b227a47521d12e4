"""The corpus of a run: what `context` is made from.

`Corpus.of` takes everything a user may pass as `context`. A corpus is prepared once for an engine and
shared by its runs; what a single call brings is joined in front of it.
"""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Literal, TypeVar, cast
from weakref import WeakKeyDictionary

from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.forms import checked_text, read_documents
from rlm_integrations.core.corpus.retriever import Retriever
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.files.report import FilesReport
from rlm_integrations.files.rows import Table

T = TypeVar("T")
CorpusKind = Literal["none", "str", "documents"]


class Corpus:
    """An immutable corpus. A single text has kind "str" and is one document with the id "".

    `shared` is the part that was prepared once for many runs (the corpus itself, or with `join_to` the one that a
    call's own documents were joined to), and `brought` the documents in front of it. Both kinds keep texts as
    they came: CRLF, NUL and lone surrogates included.

    One that is `in_messages` is the text of the conversation itself, which the root LM sees anyway.

    With a `retriever` the documents are only a sample: a run begins with those that it returns for the
    question, and the REPL can ask it for more. Of a corpus that was read from files, `files` says how many they were,
    and what was skipped and why. The documents of a corpus with a `table` are its rows, but for `before_rows` that
    stand in front of them: what a call brought.
    """

    def __init__(
        self,
        documents: Sequence[Document],
        kind: CorpusKind = "documents",
        *,
        join_to: Corpus | None = None,
        retriever: Retriever | None = None,
        files: FilesReport | None = None,
        table: Table | None = None,
        in_messages: bool = False,
    ) -> None:
        self.brought: tuple[Document, ...] = tuple(documents)
        self._base = join_to
        self.kind: CorpusKind = kind
        self.in_messages = in_messages
        self.retriever: Retriever | None = retriever or (join_to.retriever if join_to else None)
        self.files: FilesReport | None = files or (join_to.files if join_to else None)
        self.table: Table | None = table or (join_to.table if join_to else None)
        self.before_rows: int = len(self.brought) + join_to.before_rows if join_to else 0
        if join_to is None:
            self.documents = self.brought

    @property
    def shared(self) -> Corpus:
        return self if self._base is None else self._base

    @cached_property
    def documents(self) -> tuple[Document, ...]:
        """All documents in order, with unique ids."""
        assert self._base is not None, "the documents of a corpus that is joined to none are there from the beginning"
        return unique_ids([*self.brought, *self._base.as_documents()])

    @cached_property
    def by_id(self) -> dict[str, Document]:
        return {document.id: document for document in self.documents}

    @cached_property
    def chars(self) -> int:
        """Characters of text in all."""
        return sum(len(document.text) for document in self.documents)

    @property
    def text(self) -> str:
        """The one text of a corpus of kind "str"."""
        return self.documents[0].text

    def as_documents(self) -> tuple[Document, ...]:
        """The documents; a single text gets an id of its own, for standing beside others."""
        if self.kind == "str":
            return (Document("context", self.text),)
        return self.documents

    def preceded_by(self, documents: Sequence[Document]) -> Corpus:
        """This corpus with a call's own documents in front."""
        if not documents:
            return self
        if self.kind == "none":
            return Corpus(unique_ids(documents), retriever=self.retriever)
        if self._base is not None:  # joined to what is shared, not to what an earlier join made for one run
            brought = [*documents, *self.brought]
            return Corpus(brought, join_to=self._base, retriever=self.retriever, files=self.files, table=self.table)
        return Corpus(documents, join_to=self)

    def followed_by(self, documents: Sequence[Document]) -> Corpus:
        """This corpus with further documents, of new ids, at its end. A single text beside them gets an id."""
        if not documents:
            return self
        return Corpus((*self.as_documents(), *documents), retriever=self.retriever, files=self.files)

    @classmethod
    def of(cls, context: object) -> Corpus:
        """Read what a user passed as `context`. Files that were skipped are warned of (UserWarning).

        Raises:
            InvalidArgumentError: It is of a wrong type, or empty, or a file that cannot be read, or a str that is a URL
                or the name of a file, there or not, or a list of names of files.
        """
        if isinstance(context, Corpus):
            return context
        if context is None:
            return NO_CORPUS
        if isinstance(context, str):
            return cls((Document("", checked_text(context)),), "str")
        if inspect.iscoroutinefunction(getattr(context, "retrieve", None)):
            return cls((), "none", retriever=cast(Retriever, context))
        read = read_documents(context)
        files = read.files
        if not read.documents:
            skipped = f" ({files.all_skipped})" if files and files.skipped else ""
            raise InvalidArgumentError(
                f"context: is empty{skipped}; pass the documents, or None to ask without a corpus"
            )
        if files is not None and files.missed:
            warnings.warn(f"context: {files.line}", stacklevel=2)
        return cls(unique_ids(read.documents, read.made_up), files=files, table=read.table)


NO_CORPUS = Corpus((), "none")


def once_per_corpus(function: Callable[[Corpus], T]) -> Callable[[Corpus], T]:
    """Remember what the function says of a corpus, never None, for as long as the corpus lives: runs share it."""
    known: WeakKeyDictionary[Corpus, T] = WeakKeyDictionary()

    @functools.wraps(function)
    def remembered(corpus: Corpus) -> T:
        if (found := known.get(corpus)) is None:
            found = known[corpus] = function(corpus)
        return found

    return remembered


def unique_ids(documents: Sequence[Document], made_up: Sequence[str] = ()) -> tuple[Document, ...]:
    """The documents, equal ids told apart: the second "a" becomes "a#2".

    `made_up` are the ids, as the very objects, of those that were given none: such a one gives way to a given id.
    """
    taken = {document.id for document in documents}
    if len(taken) == len(documents):
        return tuple(documents)
    gives_way = {id(name) for name in made_up}
    given = {document.id for document in documents if id(document.id) not in gives_way}
    kept: set[str] = set()
    counts: dict[str, int] = {}
    unique: list[Document] = []
    for document in documents:
        name = document.id
        if name not in kept and not (name in given and id(name) in gives_way):
            kept.add(name)
            unique.append(document)
            continue
        count = counts.get(name, 1) + 1
        while (other := f"{name}#{count}") in taken:
            count += 1
        taken.add(other)
        counts[name] = count
        unique.append(replace(document, id=other))
    return tuple(unique)
