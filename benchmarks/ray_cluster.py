"""RaySandbox beside the process sandbox: two machines of a local cluster, so that no network is measured.

Run it in an environment that has `.[ray]`: python benchmarks/ray_cluster.py [characters of the large corpus]
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import ray
from ray.cluster_utils import Cluster

from rlm_integrations import Corpus, ProcessSandbox, RLMEngine
from rlm_integrations.ray import RaySandbox
from rlm_integrations.testing import ScriptedModel
from rlm_integrations.testing.sandbox_contract import OpenRepl, contract_settings

ROUNDS = 5


async def fastest(work: Callable[[], Awaitable[Any]], times: int) -> str:
    """Milliseconds: the median of rounds, and the fastest of them."""
    rounds: list[float] = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(times):
            await work()
        rounds.append((time.perf_counter() - began) / times * 1e3)
    return f"{statistics.median(rounds):.2f} ({min(rounds):.2f})"


def loopback_bytes() -> int:
    """What the loopback device has carried."""
    [line] = [line for line in Path("/proc/net/dev").read_text().splitlines() if line.strip().startswith("lo:")]
    return int(line.split()[1])


async def measure(name: str, sandbox: Any, chars: int) -> None:
    small, large = Corpus.of("text " * 20), Corpus.of("a line of text\n" * (chars // 15))
    repl = await sandbox.open(small, contract_settings())
    session = OpenRepl(repl)
    step = await fastest(lambda: session.run("x = 1"), 50)
    began = time.perf_counter()
    await session.run("for n in range(200): llm_query('x' * 1000)")
    call = (time.perf_counter() - began) / 200 * 1e3

    async def open_and_close() -> None:
        await (await sandbox.open(small, contract_settings())).close()

    opened = await fastest(open_and_close, 10)
    carried, began = loopback_bytes(), time.perf_counter()
    first = await sandbox.open(large, contract_settings())
    first_s, moved = time.perf_counter() - began, loopback_bytes() - carried
    carried, began = loopback_bytes(), time.perf_counter()
    second = await sandbox.open(large, contract_settings())
    second_ms, moved_again = (time.perf_counter() - began) * 1e3, loopback_bytes() - carried
    for each in (repl, first, second):
        await each.close()
    print(
        f"{name}: step {step} ms, host call {call:.2f} ms, open and close {opened} ms, first open of {chars / 1e6:g} M "
        f"characters {first_s:.2f} s ({moved / 1e6:.1f} MB over loopback), next {second_ms:.1f} ms "
        f"({moved_again / 1e6:.2f} MB)"
    )


async def twenty_at_once(address: str) -> None:
    sandbox = RaySandbox(address, num_cpus=0)
    repls = await asyncio.gather(*(sandbox.open(Corpus.of("text"), contract_settings()) for _ in range(20)))
    print(f"20 at once: {dict(Counter(repl.host.machine.address for repl in repls))}")
    await asyncio.gather(*(repl.close() for repl in repls))
    engine = RLMEngine(ScriptedModel(always=lambda _: "```repl\nFINAL(len(context))\n```"), sandbox=sandbox)
    await engine.arun("?", "warm")
    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(engine.arun("?", "text") for _ in range(100)))
    took, mine = time.perf_counter() - began, time.process_time() - cpu
    print(f"100 runs at once: {took:.2f} s, {mine * 10:.1f} ms of CPU each here")


def main(chars: int) -> None:
    machine = {"num_cpus": 2, "object_store_memory": 200 << 20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=machine | {"node_ip_address": "127.0.0.2"})
    cluster.add_node(**machine, node_ip_address="127.0.0.3", resources={"other": 1000})
    try:
        asyncio.run(measure("process sandbox", ProcessSandbox(), chars))
        there = RaySandbox(cluster.address, num_cpus=0, resources={"node:127.0.0.2": 0.001})
        asyncio.run(measure("Ray, the caller's machine", there, chars))
        asyncio.run(measure("Ray, another machine", RaySandbox(num_cpus=0, resources={"other": 1}), chars))
        asyncio.run(twenty_at_once(cluster.address))
    finally:
        ray.shutdown()
        cluster.shutdown()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500_000_000)
