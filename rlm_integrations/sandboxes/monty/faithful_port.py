"""Between the functions of the REPL, which see clean texts, and the host, which has the texts as they came."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from rlm_integrations.repl.host_port import HostPort
from rlm_integrations.sandboxes.monty.clean_text import clean, clean_value
from rlm_integrations.wire.calls import Call, Cite, Retrieve

PlainDocument = dict[str, Any]


class FaithfulPort:
    """A HostPort for clean texts: replies are cleaned, and a citation says what the host's own copy says."""

    def __init__(self, host: HostPort) -> None:
        self._host = host
        self._originals: dict[str, PlainDocument] = {}
        """Documents that were not clean, by their clean id."""
        self._ids: dict[str, str] = {}
        """Ids as they came -> clean ones, where the two differ."""

    def cleaned(self, documents: Iterable[PlainDocument]) -> list[PlainDocument]:
        """Clean documents under ids that are still unique; a citation from one will be of the original."""
        return [self._cleaned(document) for document in documents]

    def _cleaned(self, document: PlainDocument) -> PlainDocument:
        id_, text = document["id"], document["text"]
        clean_id, clean_text = self._clean_id(id_), clean(text)
        if clean_id != id_ or clean_text is not text:
            self._originals[clean_id] = document
        return {"id": clean_id, "text": clean_text, "metadata": clean_value(document["metadata"])}

    def _clean_id(self, id_: str) -> str:
        """The id, told apart where two come out alike; the same for the same id each time."""
        if id_ in self._ids or clean(id_) == id_:
            return self._ids.get(id_, id_)
        wanted, taken = clean(id_), set(self._ids.values())
        name, count = wanted, 2
        while name in taken:
            name, count = f"{wanted}#{count}", count + 1
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
