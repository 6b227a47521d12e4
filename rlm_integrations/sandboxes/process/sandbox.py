"""The process sandbox: each REPL is a process of its own, without rights."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.sandbox import Capabilities, Repl
from rlm_integrations.sandboxes.cannot_confine import cannot_confine
from rlm_integrations.sandboxes.channel.fork_client import WorkerProcess
from rlm_integrations.sandboxes.own_thread import in_own_thread
from rlm_integrations.sandboxes.patched_sockets import check_sockets
from rlm_integrations.sandboxes.process.helper_client import helper_client
from rlm_integrations.sandboxes.process.named_modules import read_modules
from rlm_integrations.sandboxes.process.ready_worker import wait_until_ready
from rlm_integrations.sandboxes.process.repl import ProcessRepl
from rlm_integrations.sandboxes.process_worker import seccomp
from rlm_integrations.wire.settings import ReplSettings

_PROBE = ReplSettings(depth=0, sub_call_chars=1, max_output_chars=200, step_timeout_s=1.0, memory_mb=64)
_UNCONFINED = (
    "sandbox='unconfined': the code that the model writes runs with this process's rights: it can read files, "
    "use the network and start programs"
)


class ProcessSandbox:
    """Implements `core.sandbox.Sandbox` with forked processes on Linux.

    Args:
        imports: Modules besides the standard library that the model's code may import, and that the root LM is told of:
            ["numpy", "pandas"]. This interpreter must have them. Each is imported with all its submodules but its
            tests, once for each host process and set of names, before the first REPL starts: that takes about 0.5 s for
            numpy and pandas, 2 s for scipy. Name a submodule ("scipy.stats") to have less. The import itself runs with
            your rights, as in your own program. What is called later is confined: what needs files, the network or
            processes raises. Thread pools of numpy and its kin are set to one thread.
        confined: False: the same process keeps this user's rights; only its memory is limited.

    Raises:
        SandboxUnavailableError: This machine cannot confine, or gevent has replaced sockets.
        InvalidArgumentError: A module is not installed. One that cannot be imported for another reason raises it when
            the first REPL starts.
    """

    def __init__(self, *, imports: Iterable[str] = (), confined: bool = True) -> None:
        check_sockets()
        reason = seccomp.why_unavailable() if confined else None
        if reason is not None:
            raise cannot_confine(reason)
        self._modules = read_modules(imports)
        self._confined = confined
        self._layers: dict[str, str] | None = None

    @property
    def modules(self) -> tuple[str, ...]:
        return self._modules

    @property
    def subset(self) -> str:
        return ""

    def capabilities(self) -> Capabilities:
        """What the last worker reported to be isolated, or one that is started for it.

        Raises SandboxUnavailableError.
        """
        layers = self._layers
        if layers is None:  # no lock: it could be held by another thread when the host forks
            worker, layers = self._start(Corpus.of(None), _PROBE, ())
            worker.discard()
            self._layers = layers
        return Capabilities("process" if self._confined else "unconfined", self._confined, dict(layers))

    async def open(self, corpus: Corpus, settings: ReplSettings, retrieved: Sequence[Document] = ()) -> Repl:
        if not self._confined:
            warnings.warn(_UNCONFINED, RuntimeWarning, stacklevel=2)
        worker, self._layers = await in_own_thread(
            lambda: self._start(corpus, settings, retrieved), discard=lambda started: started[0].discard()
        )
        return ProcessRepl(worker, settings)

    def _start(
        self, corpus: Corpus, settings: ReplSettings, retrieved: Sequence[Document]
    ) -> tuple[WorkerProcess, dict[str, str]]:
        """A worker that is ready, and its layers."""
        client = helper_client(self._modules, confined=self._confined, hash_seed=settings.hash_seed)
        worker = client.start_worker(corpus, settings, retrieved)
        try:
            return worker, wait_until_ready(worker, settings.memory_mb)
        except BaseException:
            worker.discard()
            raise
