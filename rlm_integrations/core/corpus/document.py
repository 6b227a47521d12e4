"""A document of the corpus, as the core and the REPL know it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Document:
    """A text with an id that is unique in its corpus, and the metadata that the model may see."""

    id: str
    text: str
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
