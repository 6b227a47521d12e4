"""Corpora cross once for each machine, as the files that a helper of this machine would be given."""

from __future__ import annotations

import mmap
import os
import threading
import uuid
import weakref
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from pickle import PickleBuffer
from typing import Any

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.sandboxes.process.corpus_files import write_documents
from rlm_integrations.sandboxes.remote.engine import Pool, wait_for
from rlm_integrations.sandboxes.remote.placement import Host
from rlm_integrations.sandboxes.remote.pool import CorpusKey

PIECE_BYTES = 16 << 20
"""What crosses at once. An engine keeps it meanwhile, and one that is short of memory for that may write it to disk."""

_PIECES_AHEAD = 3
_PIECE_S, _LOAD_S = 120.0, 600.0


class SentCorpora:
    """Knows corpora by keys, as long as there are. Safe in any thread."""

    def __init__(self, forget: Callable[[str], None]) -> None:
        """`forget` is called by a finalizer with the key of a corpus that nobody has any more."""
        self._forget = forget
        self._lock = threading.Lock()
        self._keys: weakref.WeakKeyDictionary[Corpus, str] = weakref.WeakKeyDictionary()

    def key_of(self, corpus: Corpus, hash_seed: int | None) -> CorpusKey:
        with self._lock:
            key = self._keys.get(corpus)
            if key is None:
                key = self._keys[corpus] = uuid.uuid4().hex
                weakref.finalize(corpus, self._forget, key).atexit = False
            return key, hash_seed

    def send(self, host: Host, key: CorpusKey, corpus: Corpus) -> None:
        """Have a process hold it there; blocks. The others wait for the one that sends. Raises MachineLostError."""
        pool = host.pool
        with host.sending:
            if wait_for(pool, pool.submit("holds", key), _PIECE_S):
                return
            records, texts = write_documents(corpus)
            try:
                send_file(pool, key, "records", records)
                send_file(pool, key, "texts", texts)
            finally:
                os.close(records)
                os.close(texts)
            wait_for(pool, pool.submit("hold", key), _LOAD_S)


def send_file(pool: Pool, key: CorpusKey | str, kind: str, file: int) -> None:
    """Bring a file to a machine, a few pieces ahead; blocks. Raises MachineLostError."""
    size = os.fstat(file).st_size
    if not size:
        wait_for(pool, pool.submit("add", key, kind, 0, b""), _PIECE_S)
        return
    under_way: deque[Future[Any]] = deque()
    data = memoryview(mmap.mmap(file, size, prot=mmap.PROT_READ))  # unmapped when no piece of it is under way any more
    for start in range(0, size, PIECE_BYTES):
        # out of band: an engine hands its bytes on without copies of its own
        piece = PickleBuffer(data[start : start + PIECE_BYTES])
        under_way.append(pool.submit("add", key, kind, start, piece))
        if len(under_way) > _PIECES_AHEAD:
            wait_for(pool, under_way.popleft(), _PIECE_S)
    for call in under_way:
        wait_for(pool, call, _PIECE_S)
