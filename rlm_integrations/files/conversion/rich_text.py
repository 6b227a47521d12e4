"""RTF."""

from __future__ import annotations

from typing import Any

from rlm_integrations.files.conversion.parts import Note, Part, Parts


def text_of_rtf(data: bytes, note: Note) -> Parts:
    from striprtf import striprtf

    library: Any = striprtf  # it has no types
    yield Part(library.rtf_to_text(data.decode("latin-1"), errors="replace"))
