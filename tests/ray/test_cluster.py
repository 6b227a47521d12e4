"""REPLs spread over a cluster: placement, corpora that cross once, deaths, and words for what is wrong."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.sandbox import Sandbox
from rlm_integrations.core.trace.run_errors import SandboxError
from rlm_integrations.engine import RLMEngine
from rlm_integrations.sandboxes.remote import engine as remote_engine
from rlm_integrations.sandboxes.remote import placement as placement_module
from rlm_integrations.testing import ScriptedModel
from rlm_integrations.testing.sandbox_contract import OpenRepl, contract_settings
from rlm_integrations.wire.calls import HostCall

from .conftest import IMPORTED, LocalCluster, below, helpers_on, raylet

pytest.importorskip("ray", reason="Ray is not installed: pip install 'rlm-integrations[ray]'")
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"
)


@pytest.fixture
def make(cluster: LocalCluster) -> Callable[..., Any]:
    from rlm_integrations.ray import RaySandbox

    return RaySandbox


def where(repl: Any) -> str:
    return repl.host.machine.address


async def open_all(everywhere: Sandbox) -> list[Any]:
    """A REPL on each place of it."""
    return await asyncio.gather(*(everywhere.open(Corpus.of("text"), contract_settings()) for _ in range(20)))


async def test_runs_are_spread_evenly_and_none_goes_past_the_bound(everywhere: Sandbox) -> None:
    repls = await open_all(everywhere)
    assert Counter(map(where, repls)) == {"127.0.0.2": 10, "127.0.0.3": 10}
    waiting = asyncio.ensure_future(everywhere.open(Corpus.of("text"), contract_settings()))
    assert not (await asyncio.wait([waiting], timeout=0.2))[0]
    left = repls.pop()
    await left.close()
    repls.append(await waiting)
    assert where(repls[-1]) == where(left)
    assert await OpenRepl(repls[-1]).value("print(llm_query(context))") == "text"
    await asyncio.gather(*(repl.close() for repl in repls))


async def test_where_all_places_stay_taken_it_says_so(everywhere: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement_module, "PATIENCE_S", 0.0)
    repls = await open_all(everywhere)
    with pytest.raises(SandboxError, match=r"all 2 machines of the Ray cluster had 10 REPLs .* raise repls_per_node"):
        await everywhere.open(Corpus.of("text"), contract_settings())
    await asyncio.gather(*(repl.close() for repl in repls))


def bytes_held(pids: set[int], name: str) -> int:
    """Of memory files of this name, that these processes have mapped: each counts once."""
    held: dict[str, int] = {}
    for pid in pids:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            if f"memfd:{name}" in line:
                span, _, _, _, inode, *_ = line.split()
                start, end = (int(part, 16) for part in span.split("-"))
                held[f"{inode} {span}"] = end - start
    return sum(held.values())


async def test_a_corpus_crosses_once_is_shared_there_and_freed(
    elsewhere: Sandbox, cluster: LocalCluster, gone: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rlm_integrations.ray.engine import RayPool
    from rlm_integrations.sandboxes.remote.pool import NodePool

    corpus = Corpus.of(["é" * 20_000_000, "short", "\ud800" * 2_000_000])
    shared = 20_000_000 + 2 * 2_000_000
    sent = 0
    submit = RayPool.submit

    def counted(self: Any, method: str, *arguments: Any) -> Any:
        nonlocal sent
        if method == "add":
            assert hasattr(NodePool, method)
            sent += memoryview(arguments[-1]).nbytes
        return submit(self, method, *arguments)

    monkeypatch.setattr(RayPool, "submit", counted)
    before = helpers_on(cluster.other)
    repls = await asyncio.gather(*(elsewhere.open(corpus, contract_settings()) for _ in range(5)))
    for repl in repls:
        seen = await OpenRepl(repl).value("[len(d['text']) for d in context], context[0]['text'][-1]")
        assert seen == "([20000000, 5, 2000000], 'é')"
    assert shared <= sent < shared * 1.01
    new = helpers_on(cluster.other) - before
    assert shared <= bytes_held(new, "rlm-texts") < shared * 1.01
    spilled = [
        *Path(os.environ["RAY_TMPDIR"]).rglob("ray_spilled_objects/*"),
        *Path("/tmp/ray").rglob("ray_spilled*/*"),
    ]
    assert spilled == []
    holders = {pid for pid in new if bytes_held({pid}, "rlm-texts")}
    await asyncio.gather(*(repl.close() for repl in repls))
    del repls, repl, corpus
    gc.collect()
    await gone(holders)


async def test_a_setup_that_is_long_crosses_whole(elsewhere: Sandbox) -> None:
    from rlm_integrations.core.corpus.document import Document

    found = [Document(f"hit-{n}", "x" * 1_000_000, {"n": n}) for n in range(20)]
    repl = await elsewhere.open(Corpus.of({"a": "1"}), contract_settings(), found)
    assert await OpenRepl(repl).value("len(context), sum(len(d['text']) for d in context)") == "(21, 20000001)"
    await repl.close()


def test_a_trace_says_what_confines_code_on_which_machines(everywhere: Sandbox) -> None:
    result = RLMEngine(ScriptedModel(["```repl\nFINAL('1')\n```"]), sandbox=everywhere).run("?", "text")
    said = result.trace.model_dump_json()
    assert "of the Ray cluster" in said
    assert "allow-list" in said


def test_a_run_goes_on_elsewhere_where_its_pool_is_killed_and_the_root_is_told(cluster: LocalCluster) -> None:
    import ray

    sandbox = cluster.give_away_everywhere()
    killed: list[str] = []

    def kill(_: Any) -> str:
        (host,) = (host for host in sandbox._placement.hosts() if host.taken)
        os.kill(ray.get(host.pool._actor.__ray_call__.remote(lambda _: os.getpid())), signal.SIGKILL)
        killed.append(host.machine.address)
        return "reply"

    replies = ["```repl\nx = 1\nprint(llm_query('now'))\n```", "```repl\nFINAL('x' in globals())\n```"]
    model = ScriptedModel(replies)
    result = RLMEngine(model, sub_llm=ScriptedModel(always=kill), sandbox=sandbox).run("?", "a text " * 20_000)
    assert result.answer == "false"
    assert f"the machine that ran it ({killed[0]})" in model.requests[1][-1].content


async def test_a_frozen_machine_is_given_up_and_one_that_thaws_leaves_nothing(
    make: Callable[..., Any], cluster: LocalCluster, gone: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a power cut: nothing answers, and no connection is closed."""
    doomed = cluster.add("127.0.0.4", doomed=10.0)
    sandbox = make(num_cpus=0, resources={"doomed": 1})
    live = OpenRepl(await sandbox.open(Corpus.of("y" * 100_000), contract_settings()))
    assert await live.value("print(llm_query('x'))") == "x"
    ours = helpers_on(doomed)
    assert ours
    frozen = [raylet(doomed), *below(raylet(doomed))]
    monkeypatch.setattr(remote_engine, "SILENCE_S", 1.5)
    monkeypatch.setattr(remote_engine.answer, "__defaults__", (1.5,))
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        reason = await live.death("print(1)")
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    assert reason in (
        "the machine that ran it (127.0.0.4) did not answer for 1.5 s",
        "the machine that ran it (127.0.0.4) was lost, or its pool was killed",
    )
    assert await live.death("print(1)") == reason
    await gone(ours)
    await live.repl.close()
    cluster.remove(doomed)


@pytest.mark.parametrize("harm", ["its raylet is killed", "it is removed"])
async def test_a_machine_that_is_lost_amid_a_step_ends_it(
    make: Callable[..., Any], cluster: LocalCluster, gone: Any, harm: str
) -> None:
    address = {"its raylet is killed": "127.0.0.5", "it is removed": "127.0.0.6"}[harm]
    doomed = cluster.add(address, doomed=10.0)
    sandbox = make(num_cpus=0, resources={"doomed": 1})
    live = OpenRepl(await sandbox.open(Corpus.of("y" * 100_000), contract_settings()), lambda call: None)
    ours = helpers_on(doomed)
    assert ours
    events = live.events("llm_query('never answered')")
    assert isinstance(await anext(events), HostCall)
    if harm == "it is removed":
        await asyncio.to_thread(cluster.remove, doomed)
    else:
        os.kill(raylet(doomed), signal.SIGKILL)
        doomed.all_processes["raylet"][0].process.wait()  # its children take a zombie for alive
    async with asyncio.timeout(15):
        lost = await anext(events)
    assert lost.reason.startswith(f"the machine that ran it ({address}) was lost")
    await gone(ours)
    await live.repl.close()
    with pytest.raises(SandboxError, match=r"the Ray cluster has no machine for REPLs|started the REPL"):
        await sandbox.open(Corpus.of("text"), contract_settings())
    if harm != "it is removed":
        cluster.remove(doomed)


DRIVER = """
import asyncio, sys
import ray
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.ray import RaySandbox
from rlm_integrations.testing.sandbox_contract import OpenRepl, contract_settings

async def main():
    sandbox = RaySandbox(sys.argv[1], num_cpus=0)
    repls = [await sandbox.open(Corpus.of("z" * 100_000), contract_settings()) for _ in range(2)]
    step = asyncio.ensure_future(OpenRepl(repls[0]).run("while True: pass"))
    print("ready", flush=True)
    await step

asyncio.run(main())
"""


async def test_nothing_outlives_a_caller_that_is_killed(
    cluster: LocalCluster, gone: Any, start_program: Callable[..., Any]
) -> None:
    before = helpers_on(cluster.head) | helpers_on(cluster.other)
    driver = start_program(DRIVER, cluster.address, imported=IMPORTED)
    assert await asyncio.to_thread(driver.stdout.readline) == "ready\n"
    on_head, on_other = (helpers_on(node) - before for node in (cluster.head, cluster.other))
    assert on_head
    assert on_other
    driver.process.kill()
    await gone(on_head | on_other)


async def test_machines_of_other_versions_or_without_a_module_are_refused_in_words(
    make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import rlm_integrations

    sandbox = make(num_cpus=0, resources={"other": 1}, imports=["no_such_module"])
    with monkeypatch.context() as patch:
        patch.setattr(rlm_integrations, "__version__", "9.9.9")
        with pytest.raises(
            SandboxError,
            match=r"127\.0\.0\..* cannot be used: it has rlm-integrations .*, and this program "
            r"rlm-integrations 9\.9\.9; install the same on both",
        ):
            await sandbox.open(Corpus.of("text"), contract_settings())
    with pytest.raises(InvalidArgumentError, match="cannot import no_such_module: it is not installed"):
        await sandbox.open(Corpus.of("text"), contract_settings())


async def test_modules_are_those_of_the_machines(make: Callable[..., Any]) -> None:
    sandbox = make(num_cpus=0, resources={"other": 1}, imports=["numpy"])
    repl = await sandbox.open(Corpus.of("text"), contract_settings(memory_mb=1024))
    assert await OpenRepl(repl).value("import numpy\nint(numpy.arange(4).sum())") == "6"
    await repl.close()


async def test_what_cannot_be_is_refused_in_words(make: Callable[..., Any]) -> None:
    with pytest.raises(SandboxError, match="the Ray cluster has no machine for REPLs; see `resources`"):
        await make(resources={"no_such_resource": 1}).open(Corpus.of("text"), contract_settings())
    for wrong, words in (({"repls_per_node": 0}, "repls_per_node: 0"), ({"num_cpus": -1}, "num_cpus: -1")):
        with pytest.raises(InvalidArgumentError, match=words):
            make(**wrong)


async def test_where_nothing_is_free_for_a_pool_it_says_so(
    make: Callable[..., Any], elsewhere: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    taking = await elsewhere.open(Corpus.of("text"), contract_settings())
    monkeypatch.setattr(placement_module, "START_S", 0.2)
    words = r"127.0.0.3 had not started its pool after 0.2 s: what that takes \(num_cpus, resources\) may be in use"
    with pytest.raises(SandboxError, match=words):
        await make(num_cpus=0, resources={"other": 1000}).open(Corpus.of("text"), contract_settings())
    await taking.close()
