"""A fork server and its spare. What it forks here answers with the file that it was given."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import SOCK_SEQPACKET

import pytest

from rlm_integrations.sandboxes.channel.fork_client import ForkClient, WorkerProcess, socket_pair

SERVER = """
import os, sys
from rlm_integrations.sandboxes.channel import fork_server
fork_server.SPARE_S = float(sys.argv[2])
server = fork_server.ForkServer(int(sys.argv[1]))
server.ready()
while (job := server.serve()) is not None:
    if isinstance(job, fork_server.HolderJob):
        server = fork_server.ForkServer(job.control)
        server.ready()
        continue
    os.write(job.channel, os.pread(job.file, 100, 0))
    os.read(job.channel, 1)
    os._exit(0)
"""


@dataclass
class Server:
    """A server in a process of its own, and the way to it."""

    process: subprocess.Popen[bytes]
    client: ForkClient

    def start(self, session: str) -> WorkerProcess:
        file = os.memfd_create("session")
        os.write(file, session.encode())
        try:
            return self.client.start_worker(file)
        finally:
            os.close(file)


def told(worker: WorkerProcess) -> str:
    return worker.channel.recv(100).decode()


@contextmanager
def running(spare_s: float) -> Iterator[Server]:
    control, control_end = socket_pair(SOCK_SEQPACKET)
    command = [sys.executable, "-c", SERVER, str(control_end.fileno()), str(spare_s)]
    with control_end:
        process = subprocess.Popen(command, pass_fds=[control_end.fileno()])
    client = ForkClient(control)
    try:
        client.wait_until_ready()
        yield Server(process, client)
    finally:
        client.close()
        process.wait(10)


@pytest.fixture
def server() -> Iterator[Server]:
    with running(spare_s=60) as started:
        yield started


@pytest.fixture
def spare(children, until):
    """The only process below a server, once it is there."""

    async def of(pid: int) -> int:
        seen: list[list[int]] = []

        def alone() -> bool:
            seen.append(children(pid))
            return len(seen[-1]) == 1

        await until(alone)
        return seen[-1][0]

    return of


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_the_next_worker_is_the_spare_and_gets_its_own_job_only(server, spare, until):
    first = server.start("of the first")
    assert told(first) == "of the first"
    first.discard()
    await until(lambda: not alive(first.pid))
    waiting = await spare(server.process.pid)
    open_files = os.listdir(f"/proc/{waiting}/fd")
    second = server.start("of the second")
    assert (second.pid, told(second)) == (waiting, "of the second")
    assert len(open_files) == 4, "standard streams, and the socket that its job comes by"
    second.discard()
    await until(lambda: not alive(second.pid))


async def test_none_is_kept_before_there_was_a_worker_or_when_nothing_happens_any_more(children, until):
    with running(spare_s=0.01) as server:
        assert children(server.process.pid) == []
        worker = server.start("x")
        assert told(worker) == "x"
        worker.discard()
        await until(lambda: children(server.process.pid) == [])
        again = server.start("y")
        assert told(again) == "y"
        again.discard()


async def test_a_spare_that_was_killed_is_done_without(server, spare, until):
    for number in range(5):
        worker = server.start(str(number))
        assert told(worker) == str(number)
        worker.discard()
        await until(lambda pid=worker.pid: not alive(pid))
        waiting = await spare(server.process.pid)
        os.kill(waiting, signal.SIGKILL)
        await until(lambda pid=waiting: not alive(pid))


@pytest.mark.parametrize("end", ["lets go", "is killed"])
async def test_a_spare_ends_with_its_server(server, spare, until, end):
    worker = server.start("x")
    assert told(worker) == "x"
    worker.discard()
    await until(lambda: not alive(worker.pid))
    waiting = await spare(server.process.pid)
    if end == "lets go":
        server.client.close()
    else:
        server.process.kill()
    await until(lambda: not alive(waiting))


def test_starts_at_once_get_a_worker_each(server: Server):
    names = [f"session {number}" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        workers = list(pool.map(server.start, names))
    assert [told(worker) for worker in workers] == names
    assert len({worker.pid for worker in workers}) == len(names)
    for worker in workers:
        worker.discard()


async def test_a_holder_has_a_spare_of_its_own(server: Server, until, children: Callable[[int], list[int]]):
    empty = [os.memfd_create("empty") for _ in range(2)]
    holder = Server(server.process, server.client.start_holder(*empty))
    for file in empty:
        os.close(file)
    first = holder.start("first")
    assert told(first) == "first"
    (holder_pid,) = [pid for pid in children(server.process.pid) if first.pid in children(pid)]
    first.discard()
    await until(lambda: len(children(holder_pid)) == 1 and first.pid not in children(holder_pid))
    (waiting,) = children(holder_pid)
    second = holder.start("second")
    assert (second.pid, told(second)) == (waiting, "second")
    second.discard()
    holder.client.close()
    await until(lambda: not alive(holder_pid) and not alive(waiting))
