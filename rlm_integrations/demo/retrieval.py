"""What a retriever would have put into the prompt: the chunks that BM25 ranks highest."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Sequence

_K1, _B = 1.5, 0.75
_LINES = 10
_PLAIN = bytes(ord(chr(code).lower()) if chr(code).isalnum() or code > 127 else 32 for code in range(256))


def chunks_of(texts: Iterable[str]) -> list[str]:
    """Chunks of ten lines, which here are some thousand characters, as splitters make them."""
    chunks: list[str] = []
    for text in texts:
        lines = text.splitlines(keepends=True)
        chunks += ["".join(lines[start : start + _LINES]) for start in range(0, len(lines), _LINES)]
    return chunks


def best_chunks(chunks: Sequence[str], query: str, k: int) -> list[str]:
    """The `k` chunks with the highest scores of BM25 for the words of the query, best first.

    Only the query's words are counted, so that a corpus of tens of MB takes about a second.
    """
    texts = [_plain(chunk) for chunk in chunks]
    lengths = [1 + chunk.count(" ") for chunk in chunks]
    average = sum(lengths) / max(1, len(texts))
    scores = [0.0] * len(texts)
    for word in set(_plain(query).split()):
        counts = [(place, n) for place, text in enumerate(texts) if (n := text.count(b" " + word + b" "))]
        rarity = math.log(1 + (len(texts) - len(counts) + 0.5) / (len(counts) + 0.5))
        for place, n in counts:
            scores[place] += rarity * n * (_K1 + 1) / (n + _K1 * (1 - _B + _B * lengths[place] / average))
    return [chunks[place] for place in heapq.nlargest(k, range(len(texts)), key=scores.__getitem__)]


def _plain(text: str) -> bytes:
    """The same with its words in lower case, each between spaces."""
    return b" %b " % text.encode().translate(_PLAIN)
