"""What runs on a machine: a helper, the holders of the corpora that came there, and REPLs. No engine is known here."""

from __future__ import annotations

import mmap
import os
import platform
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.trace.run_errors import SandboxError
from rlm_integrations.sandboxes.cannot_confine import cannot_confine
from rlm_integrations.sandboxes.channel.fork_client import ForkClient, ServerGoneError, WorkerProcess
from rlm_integrations.sandboxes.own_thread import in_own_thread
from rlm_integrations.sandboxes.process.corpus_files import write_setup
from rlm_integrations.sandboxes.process.helper_client import HelperClient, helper_client
from rlm_integrations.sandboxes.process.named_modules import read_modules
from rlm_integrations.sandboxes.process.ready_worker import wait_until_ready
from rlm_integrations.sandboxes.process_worker import seccomp
from rlm_integrations.sandboxes.process_worker.text_file import seal
from rlm_integrations.sandboxes.remote.arriving_files import ArrivingFiles
from rlm_integrations.sandboxes.remote.served_repl import Event, ServedRepl
from rlm_integrations.wire.settings import ReplSettings
from rlm_integrations.wire.steps import ReplLost

CorpusKey = tuple[str, int | None]
"""Which corpus, and the seed of hashes of the REPLs over it."""

News = tuple[list[Event], int]
"""Events of a step, and the bytes of memory that the REPL has."""

_PROBE = ReplSettings(depth=0, sub_call_chars=1, max_output_chars=200, step_timeout_s=1.0, memory_mb=64)
_T = TypeVar("_T")


def versions() -> dict[str, str]:
    """What has to be the same at both ends: they exchange objects of this package, and texts as CPython keeps them."""
    return {
        "rlm-integrations": import_module("rlm_integrations").__version__,
        "Python": ".".join(map(str, sys.version_info[:2])),
        "machine": f"{platform.machine()} of {sys.byteorder} endian, with pages of {mmap.PAGESIZE:,} bytes",
    }


class NodePool:
    """One for each machine and caller. All methods are called on one event loop; what blocks has threads of its own."""

    def __init__(self, modules: tuple[str, ...]) -> None:
        self._modules = modules
        self._arriving = ArrivingFiles()
        self._holders: dict[CorpusKey, ForkClient] = {}
        self._repls: dict[str, ServedRepl] = {}
        self._unwanted: set[str] = set()
        """Closed before they were open: calls may overtake each other."""

    async def greet(self, theirs: dict[str, str]) -> dict[str, str]:
        """The layers that confine REPLs here, as one that is started for it reports.

        Raises SandboxError for a caller of other versions, SandboxUnavailableError where this machine cannot confine,
        and InvalidArgumentError for a module that is not installed.
        """
        here = versions()
        if theirs != here:
            ours = [f"{name} {here[name]}" for name in here if theirs.get(name) != here[name]]
            other = [f"{name} {theirs.get(name)}" for name in here if theirs.get(name) != here[name]]
            raise SandboxError(
                f"it has {', '.join(ours)}, and this program {', '.join(other)}; install the same on both"
            )
        read_modules(self._modules)
        reason = seccomp.why_unavailable()
        if reason is not None:
            raise cannot_confine(reason)
        setup = write_setup(Corpus.of(None), _PROBE, (), held=False)
        try:
            worker, layers = await _thread(lambda: self._start(setup, None, _PROBE))
        finally:
            os.close(setup)
        worker.discard()
        return layers

    async def alive(self) -> None:
        """A sign of life."""

    async def holds(self, key: CorpusKey) -> bool:
        """Whether the corpus is here. If not, what came of it is dropped: all of it is to be sent."""
        if key in self._holders:
            return True
        self._arriving.drop(_name(key))
        return False

    async def add(self, key: CorpusKey | str, kind: str, start: int, data: Any) -> None:
        """A piece of the "records" or "texts" of a corpus, or of the "setup" of a REPL."""
        name = key if isinstance(key, str) else _name(key)
        await _thread(lambda: self._arriving.write(name, kind, start, data))

    async def hold(self, key: CorpusKey) -> None:
        """All pieces of a corpus have come: have a process hold it. Raises SandboxError."""
        records, texts = (self._arriving.take(_name(key), kind) for kind in ("records", "texts"))
        try:
            sealed = seal(texts)
            try:
                self._holders[key] = await _thread(lambda: self._helper(key[1]).start_holder_over(records, sealed))
            finally:
                os.close(sealed)
        finally:
            os.close(records)
            os.close(texts)

    async def forget(self, corpus: str) -> None:
        """Nobody has the corpus any more: it is freed with the last REPL over it."""
        for key in [key for key in self._holders if key[0] == corpus]:
            del self._holders[key]

    async def open(
        self, repl: str, key: CorpusKey | None, setup: bytes | None, settings: ReplSettings
    ) -> dict[str, str] | None:
        """Start a REPL with a file of `write_setup`, or the one that came in pieces. Returns its layers.

        None where its corpus is not here, or what held it has ended.
        """
        if key is not None and key not in self._holders:
            return None
        if setup is not None:
            self._arriving.write(repl, "setup", 0, setup)
        file = self._arriving.take(repl, "setup")
        try:
            worker, layers = await in_own_thread(
                lambda: self._start(file, self._holders[key] if key else None, settings),
                discard=lambda started: started[0].discard(),
            )
        except ServerGoneError:
            self._holders.pop(key or ("", None), None)
            return None
        finally:
            os.close(file)
        if repl in self._unwanted:
            self._unwanted.discard(repl)
            worker.discard()
        else:
            self._repls[repl] = ServedRepl(worker, settings)
        return layers

    async def step(self, repl: str, blocks: list[str], seconds_left: float) -> News:
        """Begin a step; the first that it says. A step without host calls takes this call alone."""
        if repl in self._repls:
            self._repls[repl].begin(blocks, seconds_left)
        return await self.news(repl)

    async def news(self, repl: str) -> News:
        """What the step has said since."""
        served = self._repls.get(repl)
        if served is None:
            return [ReplLost("it was closed")], 0
        return await served.news(), served.memory_bytes

    async def answer(self, repl: str, answers: list[tuple[int, bytes]]) -> None:
        """Answer host calls: the id of each, and its frame."""
        if repl in self._repls:
            self._repls[repl].hand_on(answers)

    async def interrupt(self, repl: str) -> None:
        if repl in self._repls:
            self._repls[repl].interrupt()

    async def close(self, repl: str) -> None:
        """End a REPL, also one that is still to be opened."""
        served = self._repls.pop(repl, None)
        if served is None:
            self._unwanted.add(repl)
        else:
            await served.close()

    def _helper(self, hash_seed: int | None) -> HelperClient:
        return helper_client(self._modules, hash_seed=hash_seed)

    def _start(
        self, setup: int, holder: ForkClient | None, settings: ReplSettings
    ) -> tuple[WorkerProcess, dict[str, str]]:
        worker = self._helper(settings.hash_seed).start_worker_from(setup, holder)
        try:
            return worker, wait_until_ready(worker, settings.memory_mb)
        except BaseException:
            worker.discard()
            raise


def _name(key: CorpusKey) -> str:
    return f"{key[0]} {key[1]}"


async def _thread(work: Callable[[], _T]) -> _T:
    return await in_own_thread(work, discard=lambda _: None)
