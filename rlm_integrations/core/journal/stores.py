"""The journals that a process has open: one store for each file, and what becomes of them in forks and at its end."""

from __future__ import annotations

import atexit
import os
import sys
import threading

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.journal.store import Store


class _Stores:
    """Those of the process, by path. Each tells of itself by the methods of `store.Keeper`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_path: dict[str, Store] = {}
        self._leaving: dict[str, threading.Thread] = {}
        """Threads that are about to close a file: whoever opens it anew waits for that."""
        self._open: set[Store] = set()
        """Those whose file is open."""
        self._held: list[Store] = []
        """Those that wait for a fork."""
        self._left_by_parent: list[object] = []
        """What a fork has of its parent's, and does not touch."""

    def take(self, path: str) -> Store:
        with self._lock:
            store, before = self._by_path.get(path), None
            if store is not None and store.is_astray:
                if store.users:
                    raise InvalidArgumentError(
                        f"journal: {path!r} was removed while runs are going on in it; wait for their end"
                    )
                store.close()
                store, before = None, store.thread
            if store is None:
                store = self._by_path[path] = Store(path, before or self._leaving.get(path), self)
            store.users += 1
            return store

    def give_back(self, store: Store) -> None:
        with self._lock:
            store.users -= 1

    def opens(self, store: Store) -> None:
        self._open.add(store)

    def retires(self, store: Store) -> bool:
        with self._lock:
            if not store.users and self._by_path.get(store.path) is store:
                del self._by_path[store.path]
                self._leaving[store.path] = store.thread
            return not store.users

    def closed(self, store: Store) -> None:
        self._open.discard(store)
        self._leaving.pop(store.path, None)

    def refused(self, store: Store) -> None:
        self._open.discard(store)
        with self._lock:
            if self._by_path.get(store.path) is store:
                del self._by_path[store.path]

    def before_fork(self) -> None:
        self._lock.acquire()
        for store in [*self._open]:
            store.before_fork()
            self._held.append(store)

    def after_fork_in_parent(self) -> None:
        while self._held:
            self._held.pop().after_fork()
        self._lock.release()

    def after_fork_in_child(self) -> None:
        self._left_by_parent.extend(self._open)
        for kept in (self._held, self._open, self._by_path, self._leaving):
            kept.clear()
        self._lock.release()

    def at_exit(self) -> None:
        """Daemon threads are not waited for, and a file that was closed has all in one."""
        for store in [*self._open]:
            store.before_fork()
            store.after_fork()


_stores = _Stores()


def take(path: str) -> Store:
    """The one of this process for the file. Give it back by `give_back`.

    Raises InvalidArgumentError where runs are going on in a file of that name that is not there any more.
    """
    return _stores.take(path)


def give_back(store: Store) -> None:
    """The file stays open for a moment, for the next run."""
    _stores.give_back(store)


atexit.register(_stores.at_exit)
if sys.platform != "win32":
    os.register_at_fork(
        before=_stores.before_fork,
        after_in_parent=_stores.after_fork_in_parent,
        after_in_child=_stores.after_fork_in_child,
    )
