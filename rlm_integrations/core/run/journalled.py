"""A run's way to its journal: which run of it the call is, and the answer of one that has ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rlm_integrations.core.calls.threads import RunThreads
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.description import corpus_line
from rlm_integrations.core.corpus.found_document import FoundDocument
from rlm_integrations.core.corpus.question import Question
from rlm_integrations.core.journal.claims import END, CallIdentity
from rlm_integrations.core.journal.documents import from_kept, to_kept
from rlm_integrations.core.journal.fingerprints import corpus_hash, question_hash, text_hash, value_hash
from rlm_integrations.core.journal.node_journal import NodeJournal, Say
from rlm_integrations.core.journal.rows import Row, trace_json, with_json
from rlm_integrations.core.journal.run_journal import RunJournal
from rlm_integrations.core.journal.samples import current_sample
from rlm_integrations.core.journal.settings import Journal
from rlm_integrations.core.language_model import LanguageModel
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.loop.actions import Finish
from rlm_integrations.core.run.opening import read_context
from rlm_integrations.core.run.plan import RunPlan
from rlm_integrations.core.surrogates import without_lone_surrogates
from rlm_integrations.core.trace.records import RLMTrace
from rlm_integrations.frozen import frozen


@frozen
class Ended:
    """What a run came to that the journal has whole."""

    action: Finish
    trace: RLMTrace
    retrieved: tuple[FoundDocument, ...]


async def begin(
    settings: Journal,
    plan: RunPlan,
    question: Question,
    context: object,
    run_id: str | None,
    say: Say,
    threads: RunThreads,
) -> tuple[NodeJournal, Corpus]:
    """The journal of the run that the call is, and the corpus that it is over. Raises InvalidArgumentError."""
    read: list[Corpus] = []

    def find() -> tuple[CallIdentity, Row]:
        corpus = read_context(context)
        read.append(corpus)
        call = CallIdentity(_parts(plan, question, corpus), run_id, plan.attempt, current_sample())
        words = without_lone_surrogates(question.text)
        limits = plan.limits.model_dump(mode="json")
        return call, {"question": words, "context": corpus_line(corpus), "limits": limits, "protocol": plan.protocol}

    run = await RunJournal.begin(settings, find, model_words(plan.sub), threads)
    return NodeJournal(run, say), read[0]


def with_its_fences(plan: RunPlan, journal: NodeJournal) -> RunPlan:
    """The plan of a run whose prompts are the same in every process."""
    return replace(plan, fence_key=journal.run.seed("fences").encode())


def model_words(model: LanguageModel) -> str:
    """What tells models apart: their kind and name."""
    named = (getattr(model, name, None) for name in ("name", "model"))
    name = next((each for each in named if isinstance(each, str)), "")
    return f"{type(model).__module__}.{type(model).__qualname__} {name}"


def _parts(plan: RunPlan, question: Question, corpus: Corpus) -> dict[str, str]:
    """Limits are none of them: a run that met one goes on under a larger one."""
    sandbox = plan.sandbox
    routed = {} if plan.route == "rlm" else {"route": plan.route}
    return routed | {
        "question": question_hash(question),
        "context": corpus_hash(corpus),
        "llm": text_hash(model_words(plan.root)),
        "sub_llm": text_hash(model_words(plan.sub)),
        "answer_type": value_hash(plan.answer_type.schema),
        "system_prompt": value_hash([plan.system_prompt, plan.instructions]),
        "tools": value_hash([[*plan.tools], [*plan.sub_tools]]),
        "protocol": plan.protocol,
        "sandbox": value_hash([type(sandbox).__qualname__, [*sandbox.modules]]),
    }


def ended_before(journal: NodeJournal, plan: RunPlan) -> Ended | None:
    """What the run came to, if it has ended; None where it may go on, since a limit that it met is another one now."""
    limits, row = plan.limits, journal.run.find(END)
    if row is None or plan.checks:  # which may be others now: they look at the answer again
        return None
    action = Finish(**row["action"])
    if action.stop_reason not in ("answer", "plain_reply") and row["limits"] != limits.model_dump(mode="json"):
        return None
    if plan.answer_type.misfit(action.text, action.is_json) is not None:  # its rules may be others now, too
        return None
    trace = RLMTrace.model_validate_json(trace_json(row))
    _mark_replayed(trace)
    return Ended(action, trace, tuple(from_kept(row["retrieved"])))


def _mark_replayed(trace: RLMTrace) -> None:
    """All of it was paid for before."""
    for each in trace.tree():
        for iteration in each.iterations:
            for root_call in (iteration.call, *(fold.call for fold in iteration.folds)):
                root_call.replayed = True
        for execution in each.executions:
            for call in execution.sub_calls:
                call.replayed, call.replayed_usage = call.requests, call.usage
            for host_call in (
                *execution.host_calls,
                *(tool for call in execution.sub_calls for tool in call.tool_calls),
            ):
                host_call.replayed = True


def end_row(action: Finish, trace: RLMTrace, retrieved: Sequence[FoundDocument], limits: RLMLimits) -> bytes:
    """The JSON of all that an equal call is to be answered with. May take a while."""
    row = {"action": action._asdict(), "limits": limits.model_dump(mode="json"), "retrieved": to_kept(retrieved)}
    return with_json(row, "trace", trace.model_dump_json())
