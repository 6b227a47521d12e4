"""The host's side of one node's REPL, put together: what answers each kind of call that its code makes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.part import origin_in
from rlm_integrations.core.host.child_runs import ChildRuns, RunChild
from rlm_integrations.core.host.citations import Citations
from rlm_integrations.core.host.foreign_calls import ForeignCalls
from rlm_integrations.core.host.functions import HostFunctions
from rlm_integrations.core.host.open_maps import OpenMaps
from rlm_integrations.core.host.reservations import Reservations
from rlm_integrations.core.host.retrieval import Retrieval
from rlm_integrations.core.host.tool_calls import ToolCalls
from rlm_integrations.core.host.typed_maps import TypedMaps
from rlm_integrations.core.run.shared import Shared
from rlm_integrations.core.run.sub_lm import sub_calls_of
from rlm_integrations.core.trace.events import Event
from rlm_integrations.wire.settings import ReplSettings

if TYPE_CHECKING:
    from rlm_integrations.core.journal.node_journal import NodeJournal


class HostSide(NamedTuple):
    functions: HostFunctions
    retrieval: Retrieval
    maps: OpenMaps


def host_side(
    shared: Shared,
    corpus: Corpus,
    settings: ReplSettings,
    emit: Callable[[Event], Awaitable[None]],
    run_child: RunChild,
    journal: NodeJournal | None,
) -> HostSide:
    plan, calls, chars = shared.plan, shared.calls, settings.sub_call_chars
    foreign = ForeignCalls(calls, emit, plan.ends_run)
    retrieval = Retrieval(corpus, shared.threads if shared.sync else None, foreign)
    tell = emit if shared.account.is_heard else None
    reservations = Reservations(calls.budget, settings.depth, tell, shared.sub.estimates)
    sub_calls = sub_calls_of(shared, retrieval, reservations, foreign, emit, chars)
    maps = OpenMaps()
    functions = HostFunctions(
        calls,
        reservations,
        sub_calls,
        TypedMaps(sub_calls, reservations, calls.budget, maps, chars),
        ChildRuns(run_child, chars, retrieval, reservations, emit),
        retrieval,
        Citations(retrieval.document, emit, shared.cited, partial(origin_in, corpus)),
        ToolCalls(plan.tools, shared.threads, foreign),
        journal,
    )
    return HostSide(functions, retrieval, maps)
