"""PDF: the text of each page."""

from __future__ import annotations

import io

from rlm_integrations.files.conversion.parts import Note, Parts, UnreadableError, numbered


def pages(data: bytes, note: Note) -> Parts:
    """Pages without text are left out, and said."""
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, FileNotDecryptedError

    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise UnreadableError("encrypted")
        blank = 0
        count = len(reader.pages)
        for number in range(1, count + 1):
            text = reader.pages[number - 1].extract_text()
            if text.strip():
                yield numbered("page", number, text)
            else:
                blank += 1
    except (DependencyError, FileNotDecryptedError):
        raise UnreadableError("encrypted") from None
    if 0 < blank < count:
        note("with pages without text")
