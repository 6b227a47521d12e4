"""Tags of the fences that text of documents and programs stands in.

A fence that such text could close would let it speak in our name. So its tag is a keyed hash of what it encloses:
whoever writes the text cannot know the tag, and equal runs still have equal prompts, which caches and replays need.
"""

from __future__ import annotations

import hashlib
import secrets

PROCESS_KEY = secrets.token_bytes(16)
"""The key of this process, where a run is given no other."""

_TAG_BYTES = 4


def fence_tag(key: bytes, *enclosed: str) -> str:
    """Eight hex digits for a fence around these texts.

    Args:
        key: At most 64 bytes that writers of the texts do not know.
        enclosed: What stands in the fence, and whatever else tells this fence from others.
    """
    digest = hashlib.blake2b(key=key, digest_size=_TAG_BYTES)
    for text in enclosed:
        encoded = text.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.hexdigest()
