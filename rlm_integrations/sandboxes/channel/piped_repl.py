"""The host's side of a worker that threads read from and write to."""

from __future__ import annotations

import asyncio

from rlm_integrations.sandboxes.channel.worker_pipes import PipedProcess, WorkerPipes
from rlm_integrations.sandboxes.channel.worker_repl import WorkerRepl
from rlm_integrations.wire.settings import ReplSettings


class PipedRepl(WorkerRepl):
    """All but how the worker's time is kept.

    Where nobody closes it, as under a loop that was closed, the worker ends when this object does.
    """

    def __init__(self, worker: PipedProcess, settings: ReplSettings) -> None:
        """Take over a worker that is ready."""
        super().__init__(settings)
        self._process = worker
        self._exited: asyncio.Future[int | None] = self._loop.create_future()
        self._channel = WorkerPipes(worker, self._loop, self._read, self._end, self._all_sent)

    async def close(self) -> None:
        self._kill("it was closed")
        await asyncio.wait([self._exited])

    def join_loop(self) -> None:
        super().join_loop()
        self._exited = self._loop.create_future()

    def end(self) -> None:
        self._channel.close()

    def _all_sent(self) -> None:
        """The worker has all that was written."""

    def _end_process(self) -> None:
        self._process.kill()

    async def _exit_status(self) -> int | None:
        await asyncio.wait([self._exited])
        return self._exited.result()

    def _end(self, status: int | None) -> None:
        if not self._exited.done():  # a loop that is being closed cancels what waits for it
            self._exited.set_result(status)
        self._gone()
