"""RaySandbox beside the process sandbox: two machines of a local cluster, so that no network is measured."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.groups.sandboxes import a_host_call, a_step, beside, first_open, one_turn, open_and_close
from benchmarks.registry import Group, Scale
from benchmarks.repeats import cpu_milliseconds
from benchmarks.repls import DONE, text_of
from benchmarks.row import Row, not_measured
from rlm_integrations import Corpus, RLMEngine
from rlm_integrations.core.sandbox import Sandbox
from rlm_integrations.testing import ScriptedModel
from rlm_integrations.testing.sandbox_contract import contract_settings

RUNS, LARGE_MB = 100, 500
NO_RAY = [not_measured("RaySandbox", 'ray is not installed; run: pip install ".[ray]"')]


def machines(scale: Scale) -> list[Row]:
    if find_spec("ray") is None:
        return NO_RAY
    from rlm_integrations.ray import RaySandbox

    rows: list[Row] = []
    with _cluster() as address, asyncio.Runner() as loop:
        here = RaySandbox(address, num_cpus=0, resources={"node:127.0.0.2": 0.001})
        there = RaySandbox(address, num_cpus=0, resources={"other": 1})
        for place, sandbox in (("Ray, the caller's machine", here), ("Ray, another machine", there)):
            rows += _of(loop, place, sandbox, scale)
        rows += _over_a_large_corpus(loop, there, scale)
        anywhere = RaySandbox(address, num_cpus=0)
        rows += [_uneven(loop, anywhere), _caller_cpu(loop, anywhere, scale)]
    return rows


@contextmanager
def _cluster() -> Iterator[str]:
    import ray
    from ray.cluster_utils import Cluster

    machine: dict[str, Any] = {"num_cpus": 2, "object_store_memory": 200 << 20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=machine | {"node_ip_address": "127.0.0.2"})
    cluster.add_node(**machine, node_ip_address="127.0.0.3", resources={"other": 1000})
    try:
        yield str(cluster.address)
    finally:
        ray.shutdown()
        cluster.shutdown()


def _of(loop: asyncio.Runner, place: str, sandbox: Sandbox, scale: Scale) -> list[Row]:
    return [
        beside(loop, f"{place}: a run of one turn, warm", one_turn, sandbox, scale.of(7, 1)),
        beside(loop, f"{place}: a step, `x = 1`", a_step, sandbox, scale.of(7, 1), 4),
        beside(loop, f"{place}: a host call, one by one, 1 KB", a_host_call, sandbox, scale.of(5, 1), 4),
        beside(loop, f"{place}: open and close, a small corpus", open_and_close, sandbox, scale.of(9, 1)),
        beside(
            loop,
            f"{place}: first open over a str of {LARGE_MB} MB",
            partial(first_open, mb=scale.of(LARGE_MB, 1)),
            sandbox,
            1,
            2_000,
        ),
    ]


def _over_a_large_corpus(loop: asyncio.Runner, sandbox: Sandbox, scale: Scale) -> list[Row]:
    """What is moved to another machine for the first REPL over a corpus, and for the next."""
    mb = scale.of(LARGE_MB, 1)
    corpus = Corpus.of(text_of(mb))

    async def opened() -> tuple[float, float]:
        """Milliseconds, and MB over loopback."""
        carried, began = _loopback_bytes(), time.perf_counter()
        repl = await sandbox.open(corpus, contract_settings())
        took, moved = time.perf_counter() - began, _loopback_bytes() - carried
        await repl.close()
        return took * 1_000, moved / 1e6

    (_, moved), (following, moved_again) = loop.run(opened()), loop.run(opened())
    label = f"Ray, another machine: a str of {LARGE_MB} MB"
    return [
        Row(f"{label}: moved for the first REPL", "MB", moved, {"the text": float(mb)}, ratio_bound=1.05),
        Row(f"{label}: moved for the next", "MB", moved_again, bound=5),
        Row(f"{label}: next open", "ms", following, bound=12),
    ]


def _uneven(loop: asyncio.Runner, sandbox: Any) -> Row:
    async def places() -> Counter[str]:
        repls = await asyncio.gather(*(sandbox.open(Corpus.of("text"), contract_settings()) for _ in range(20)))
        found = Counter(str(repl.host.machine.address) for repl in repls)
        await asyncio.gather(*(repl.close() for repl in repls))
        return found

    return Row(
        "Ray, two machines: of 20 REPLs at once, those on the fuller one",
        "",
        max(loop.run(places()).values()),
        bound=10,
    )


def _caller_cpu(loop: asyncio.Runner, sandbox: Sandbox, scale: Scale) -> Row:
    runs = scale.of(RUNS, 2)
    engine = RLMEngine(ScriptedModel(always=lambda messages: DONE), sandbox=sandbox)

    async def all_of_them() -> None:
        await asyncio.gather(*(engine.arun("?", "text") for _ in range(runs)))

    loop.run(all_of_them())
    spent = cpu_milliseconds(lambda: loop.run(all_of_them())) / runs
    return Row(f"Ray: a run of one turn, of {RUNS} gathered: CPU time of the caller", "ms", spent)


def _loopback_bytes() -> int:
    """What the loopback device has carried."""
    [line] = [line for line in Path("/proc/net/dev").read_text().splitlines() if line.strip().startswith("lo:")]
    return int(line.split()[1])


GROUP = Group("Ray's machines", (machines,), in_quick=False)
