"""Between the REPL's functions, whose texts have no lone surrogates as the VM holds none, and the host's own texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from rlm_integrations.repl.host_port import HostPort
from rlm_integrations.sandboxes.monty.clean_text import clean, clean_value
from rlm_integrations.wire.calls import Call, Cite, Retrieve
from rlm_integrations.wire.images import under_id

PlainDocument = dict[str, Any]


class SurrogateFreePort:
    """A HostPort for clean texts: replies are cleaned, and a citation says what the host's own copy says."""

    def __init__(self, host: HostPort) -> None:
        self._host = host
        self._originals: dict[str, PlainDocument] = {}
        """Documents that were not clean, by their clean id."""
        self._ids: dict[str, str] = {}
        """Ids as they came -> clean ones, each of another document."""
        self._taken: set[str] = set()
        self._alike: dict[str, int] = {}
        """Clean ids that several documents would have -> how many have asked for it."""

    def cleaned(self, documents: Iterable[PlainDocument]) -> list[PlainDocument]:
        """Clean documents under ids that are still unique; a citation from one will be of the original."""
        documents = list(documents)
        for document in documents:
            if clean(document["id"]) == document["id"]:  # it goes first, to keep its id
                self._clean_id(document["id"])
        return [self._cleaned(document) for document in documents]

    def _cleaned(self, document: PlainDocument) -> PlainDocument:
        id_, text = document["id"], document["text"]
        clean_id, clean_text = self._clean_id(id_), clean(text)
        if clean_id != id_ or clean_text is not text:
            self._originals[clean_id] = document
        beside = {key: clean_value(value) for key, value in document.items() if key not in ("id", "text")}
        return under_id({"id": id_, "text": clean_text, **beside}, clean_id)

    def _clean_id(self, id_: str) -> str:
        """The id, told apart where two come out alike; the same for the same id each time."""
        if id_ in self._ids:
            return self._ids[id_]
        wanted = name = clean(id_)
        while name in self._taken:
            self._alike[wanted] = self._alike.get(wanted, 1) + 1
            name = f"{wanted}#{self._alike[wanted]}"
        self._taken.add(name)
        self._ids[id_] = name
        return name

    def call(self, call: Call) -> Any:
        if isinstance(call, Cite):
            call = self._original_citation(call)
        reply = self._host.call(call)
        return self.cleaned(reply) if isinstance(call, Retrieve) else clean_value(reply)

    def call_all(self, calls: Sequence[Call]) -> list[Any]:
        return [clean_value(reply) for reply in self._host.call_all(calls)]

    def print_head(self, text: str) -> None:
        self._host.print_head(text)

    def _original_citation(self, citation: Cite) -> Cite:
        original = self._originals.get(citation.document_id)
        if original is None:
            return citation
        return replace(citation, document_id=original["id"], text=original["text"][citation.start : citation.end])
