"""What a REPL begins with, beside its documents. The worker trusts its host's. Standard library only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rlm_integrations.frozen import frozen
from rlm_integrations.wire.settings import ReplSettings

Pick = tuple[int, int, int | None, str]
"""The place of a shared document, from where to where its text is taken (None: to its end), and the id."""


@frozen
class Opening:
    """The settings, and how the documents become `context`."""

    settings: ReplSettings
    kind: str
    """Of the corpus: "str" is a single text, "documents" a list of them though it be empty, "none" nothing."""
    before_rows: int
    """How many documents stand in front of the rows of a table."""
    rows: int
    """How many documents then are rows, where the settings name columns."""
    corpus_bytes: int = 0
    """Memory that the documents take, where they are sent and their worker is to make room."""

    def to_json(self) -> dict[str, Any]:
        """A JSON object: what `from_json` takes."""
        rows = {"before_rows": self.before_rows, "rows": self.rows}
        return {"settings": self.settings.to_json(), "kind": self.kind, "corpus_bytes": self.corpus_bytes, **rows}

    @classmethod
    def from_json(cls, opening: dict[str, Any]) -> Opening:
        fields: dict[str, Any] = {**opening, "settings": ReplSettings.from_json(opening["settings"])}
        return cls(**fields)

    def shown(self, documents: list[dict[str, Any]]) -> Any:
        """What the model meets as `context`, of all documents."""
        if self.kind == "str" and len(documents) == 1:
            return documents[0]["text"]
        return documents if documents or self.kind == "documents" else None


@frozen
class SharedUse:
    """What becomes of the documents that a holder has for many REPLs. Marshalled, so that tuples stay."""

    renamed: Sequence[tuple[int, str]] = ()
    """The place of each that has another id here, and the id."""
    picked: Sequence[Pick | None] | None = None
    """Of a part of a corpus all documents in order, None for one of its own; None where it is no part."""

    def to_value(self) -> tuple[Any, Any]:
        """A plain value: what `from_value` takes."""
        return [*self.renamed], None if self.picked is None else [*self.picked]

    @classmethod
    def from_value(cls, value: tuple[Any, Any]) -> SharedUse:
        return cls(*value)
