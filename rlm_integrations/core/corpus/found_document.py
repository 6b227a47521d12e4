"""A document that the retriever of a user's framework found, with the way back to what it was brought as."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.plain_values import plain


@dataclass(frozen=True, slots=True, eq=False)
class FoundDocument(Document):
    """Whatever id it gets in a run, it knows what it was made of, so that nobody has to tell that by its id."""

    item: Any = field(default=None, repr=False)
    """The framework's own object; None where the document comes out of a journal."""
    record: str | Callable[[Any], dict[str, Any]] = field(default="{}", repr=False)
    """What it takes beside text and metadata to make such an object anew: JSON, or what gives that for an item. No
    model sees it. (Of a text, the garbage collector sees nothing.)
    """

    def recorded(self) -> str:
        """The record as JSON."""
        if isinstance(self.record, str):
            return self.record
        return json.dumps(plain(self.record(self.item)), separators=(",", ":"))
