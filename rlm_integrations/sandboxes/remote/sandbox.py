"""A sandbox whose REPLs are on other machines."""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.sandbox import Capabilities, Repl
from rlm_integrations.core.trace.run_errors import SandboxError
from rlm_integrations.sandboxes.own_thread import in_own_thread
from rlm_integrations.sandboxes.process.corpus_files import write_setup
from rlm_integrations.sandboxes.process.helper_client import is_held
from rlm_integrations.sandboxes.process.named_modules import read_names
from rlm_integrations.sandboxes.remote.engine import Engine, MachineLostError, wait_for
from rlm_integrations.sandboxes.remote.errands import Errands
from rlm_integrations.sandboxes.remote.placement import Host, Placement
from rlm_integrations.sandboxes.remote.repl import RemoteRepl
from rlm_integrations.sandboxes.remote.sent_corpora import SentCorpora, send_file
from rlm_integrations.wire.settings import ReplSettings

_TRIES = 3
_START_S = 60.0
_SMALL_BYTES = 64 << 10  # what goes with the call that opens a REPL


class RemoteSandbox:
    """Implements `core.sandbox.Sandbox` over an engine.

    Models, keys, tools, callbacks, tracers and limits stay in this process.
    """

    def __init__(self, engine: Engine, *, name: str, imports: Iterable[str], repls_per_node: int) -> None:
        """Raises InvalidArgumentError."""
        if not isinstance(repls_per_node, int) or repls_per_node < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidArgumentError(f"repls_per_node: {repls_per_node!r} is no number of REPLs; pass 1 or more")
        self._engine, self._name = engine, name
        self._modules = read_names(imports)
        self._placement = placement = Placement(engine, self._modules, repls_per_node)
        self._errands = errands = Errands()
        self._corpora = SentCorpora(lambda key: errands.ask(lambda: _forget(placement, key)))

    @property
    def modules(self) -> tuple[str, ...]:
        return self._modules

    @property
    def subset(self) -> str:
        return ""

    def capabilities(self) -> Capabilities:
        """What confines REPLs on the machines that had one, or on all, where none had; that blocks.

        Layers that are not the same everywhere are told for each machine.
        """
        if not any(host.layers for host in self._placement.hosts()):
            self._placement.greet_all()
        known = [host for host in self._placement.hosts() if host.layers]
        if not known:
            raise SandboxError(f"sandbox: no machine of the {self._engine.name} answers")
        addresses = sorted(host.machine.address for host in known)
        layers = {"machines": f"{', '.join(addresses)} of the {self._engine.name}"}
        return Capabilities(self._name, True, layers | _together(known))

    async def open(self, corpus: Corpus, settings: ReplSettings, retrieved: Sequence[Document] = ()) -> Repl:
        self._errands.begin()
        setup = await in_own_thread(
            lambda: write_setup(corpus, settings, retrieved, held=is_held(corpus)), discard=os.close
        )
        try:
            told: list[str] = []
            for _ in range(_TRIES):
                repl = await in_own_thread(self._reserve, discard=RemoteRepl.end)
                try:
                    return await self._open_there(repl, corpus, settings, setup)
                except MachineLostError as error:
                    repl.host.lose()
                    repl.end()
                    told.append(f"{repl.host.machine.address} {error}")
                except BaseException:
                    repl.end()
                    raise
            raise SandboxError(f"sandbox: no machine of the {self._engine.name} started the REPL: {'; '.join(told)}")
        finally:
            os.close(setup)

    def _reserve(self) -> RemoteRepl:
        return RemoteRepl(self._placement.take(), self._placement, self._errands)

    async def _open_there(self, repl: RemoteRepl, corpus: Corpus, settings: ReplSettings, setup: int) -> RemoteRepl:
        host, shared = repl.host, corpus.shared
        key = self._corpora.key_of(shared, settings.hash_seed) if is_held(corpus) else None
        mine = os.dup(setup)  # the thread may go on when nobody waits for it any more

        def open_() -> bool:
            host.greet()
            body = None
            if os.fstat(mine).st_size > _SMALL_BYTES:
                send_file(host.pool, repl.id, "setup", mine)
            else:
                body = os.pread(mine, _SMALL_BYTES, 0)
            call = host.pool.submit("open", repl.id, key, body, settings)
            return wait_for(host.pool, call, _START_S) is not None

        def try_twice() -> bool:
            try:
                if open_():
                    return True
                if key is not None:
                    self._corpora.send(host, key, shared)
                return open_()
            finally:
                os.close(mine)

        if not await in_own_thread(try_twice, discard=lambda _: None):
            raise MachineLostError("ended what starts REPLs at once")
        return repl


def _forget(placement: Placement, key: str) -> None:
    for host in placement.hosts():
        with contextlib.suppress(MachineLostError):
            host.pool.submit("forget", key)


def _together(hosts: Sequence[Host]) -> dict[str, str]:
    """The layers of all of them: once where they are the same, and else with the machines."""
    told: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for host in hosts:
        for layer, words in (host.layers or {}).items():
            told[layer][words].append(host.machine.address)
    return {
        layer if len(said) == 1 and len(addresses) == len(hosts) else f"{layer} ({', '.join(addresses)})": words
        for layer, said in told.items()
        for words, addresses in said.items()
    }
