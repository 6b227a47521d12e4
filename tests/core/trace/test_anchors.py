"""Anchors of a corpus so large that a part of them are kept."""

from __future__ import annotations

import random
import string
import zlib

from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.trace.anchors import ANCHOR_CHARS, AnchorChoice, AnchorIndex


def _two_of_one_checksum() -> tuple[str, str]:
    """Anchors that CRC-32 does not tell apart: whoever writes a document can find one to any other."""
    rng, seen = random.Random(0), dict[int, str]()
    while True:
        text = "#" + "".join(rng.choices(string.ascii_lowercase, k=ANCHOR_CHARS - 1))
        checksum = zlib.crc32(text.encode("utf-16-le"))
        if checksum in seen:
            return seen[checksum], text
        seen[checksum] = text


def test_no_document_can_hide_another_whose_text_it_does_not_hold() -> None:
    own, forged = _two_of_one_checksum()
    filler = "".join(random.Random(1).choices(string.ascii_lowercase + " ", k=1_000)) * 2_500
    documents = [Document("own", own), Document("forged", forged), Document("filler", filler)]
    choice = AnchorChoice.of(documents)
    assert choice.mask
    index = AnchorIndex(documents, choice)
    [(_, key)] = [found for found in choice.anchors(own) if not found[0]]
    assert index.place_of(key) == (0, 0, True)
