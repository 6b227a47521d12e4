"""Which process holds which corpus, and for how long."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.sandboxes.channel.fork_client import ForkClient

KEPT_HOLDERS = 32
"""So many wait for a next run over their corpus; of more, those that were used longest ago end."""


@dataclass(eq=False)
class _Holder:
    """There while a worker of it runs, and for the next run where it is kept."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    kept: ForkClient | None = None
    _running: weakref.ref[ForkClient] | None = None

    @property
    def client(self) -> ForkClient | None:
        return None if self._running is None else self._running()

    def keep(self, client: ForkClient) -> None:
        self.kept, self._running = client, weakref.ref(client)

    def forget(self) -> None:
        self.kept = self._running = None


class Holders:
    """A holder for each large corpus, started when it is asked for. It ends with its corpus, if not before.

    An app may have any number of corpora, as with one for each tenant, and a holder is two processes: only some are
    kept. Safe in any thread.
    """

    def __init__(self, start: Callable[[Corpus], ForkClient]) -> None:
        self._start = start
        self._lock = threading.Lock()
        self._of: weakref.WeakKeyDictionary[Corpus, _Holder] = weakref.WeakKeyDictionary()
        self._used: list[weakref.ref[_Holder]] = []
        """The kept ones, that used last at the end."""

    def client_of(self, corpus: Corpus) -> ForkClient:
        """The holder of a corpus. Blocks. Raises what starting one raises."""
        with self._lock:
            holder = self._of.setdefault(corpus, _Holder())
        with holder.lock:  # the others wait for the one that prepares
            return self._used_again(holder) or self._begun(holder, corpus)

    def forget(self, corpus: Corpus, client: ForkClient) -> None:
        """Its process is gone: the next use starts another."""
        with self._lock:
            holder = self._of.get(corpus)
            if holder is not None and holder.client is client:
                holder.forget()

    def _used_again(self, holder: _Holder) -> ForkClient | None:
        with self._lock:  # it may be forgotten in another thread
            client = holder.client
            return None if client is None else self._keep(holder, client)

    def _begun(self, holder: _Holder, corpus: Corpus) -> ForkClient:
        client = self._start(corpus)
        with self._lock:
            return self._keep(holder, client)

    def _keep(self, holder: _Holder, client: ForkClient) -> ForkClient:
        """Have it wait. Those whose corpus is gone take no place of others."""
        holder.keep(client)
        waiting = [other for used in self._used if (other := used()) is not None and other is not holder]
        waiting.append(holder)
        too_many = max(0, len(waiting) - KEPT_HOLDERS)
        for oldest in waiting[:too_many]:
            oldest.kept = None
        self._used = [*map(weakref.ref, waiting[too_many:])]
        return client
