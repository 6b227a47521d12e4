"""The spans of one run: a fold over its events."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import cached_property

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, Tracer

from rlm_integrations.core.trace.events import (
    CheckEnded,
    Cited,
    CodeEnded,
    CodeStarted,
    Event,
    Folded,
    FoldEnded,
    FoldStarted,
    HostCallEnded,
    HostCallStarted,
    IterationStarted,
    PromptShortened,
    ReplOpened,
    RootFailed,
    RootReplied,
    RunEnded,
    RunFailed,
    RunStarted,
    SubCallContinued,
    SubCallEnded,
    SubCallStarted,
    Warned,
)
from rlm_integrations.core.trace.records import RLMTrace
from rlm_integrations.core.trace.redaction import error_kind
from rlm_integrations.otel.attributes import (
    Attributes,
    chat_with,
    layers,
    message,
    of_reply,
    of_root_reply,
    of_trace,
)
from rlm_integrations.otel.open_span import OpenSpan
from rlm_integrations.otel.parents import outer_context

Path = tuple[int, ...]


class RunSpans:
    """Made where the run is called, so that its span stands below the one that is current there.

    Of a question with several runs one of these has the span that stands above them, and each run one of its own.
    """

    def __init__(self, tracer: Tracer, question: str, *, contents: bool, whole: RunSpans | None = None) -> None:
        """`whole`: of the question, where the run is one of several."""
        self._tracer = tracer
        self._contents = contents
        self._question = question
        self._whole = whole
        self._outside, self._above = otel_context.get_current(), outer_context()
        self._began_ns = time.time_ns()
        self._open: dict[OpenSpan, None] = {}
        """Those that have not ended, in order."""
        self._broken: Exception | None = None
        """What a tracer raised: no further event is told."""
        self._calls: dict[Path, OpenSpan] = {}
        """Of root LMs that are asked, by node."""
        self._folds: dict[Path, OpenSpan] = {}
        """Of those that are asked for a summary, which may be amid a call that was refused."""
        self._steps: dict[Path, OpenSpan] = {}
        self._sub_calls: dict[Path, OpenSpan] = {}
        """By node and number; where one is a child RLM, that is the child's node."""
        self._host_calls: dict[Path, OpenSpan] = {}
        """By node and number."""

    @cached_property
    def _run(self) -> OpenSpan:
        """That of the run: begun with its first event, for a call that is refused is no run, and tells of no end."""
        told = self._agent(self._question)
        above = self._above if self._whole is None else self._whole._run.context
        run = OpenSpan(self._tracer, "invoke_agent rlm", SpanKind.INTERNAL, above, told, self._began_ns)
        self._open[run] = None
        return run

    def of_part(self, question: str) -> RunSpans:
        return RunSpans(self._tracer, question, contents=self._contents, whole=self)

    def see(self, event: Event) -> None:
        """Raises with the run's last event what a tracer raised, which may have been in another task than the run's."""
        try:
            if self._broken is None:
                self._see(event)
        except Exception as error:
            self._broken = error
            self._end_all()
        if isinstance(event, RunEnded | RunFailed):
            otel_context.attach(self._outside)
            if self._broken is not None:
                raise self._broken

    def _see(self, event: Event) -> None:
        match event:
            case RunStarted():
                self._agent_of(event.node).say(
                    {"rlm.corpus.documents": event.documents, "rlm.corpus.chars": event.chars}
                )
                if self._whole is not None and not event.node:
                    self._run.say({"rlm.attempt": event.attempt})
                if event.session is not None:
                    self._run.say({"gen_ai.conversation.id": event.session})
            case ReplOpened():
                self._agent_of(event.node).say({"rlm.sandbox": event.sandbox, **layers(event.isolation)})
            case IterationStarted():
                self._ask(event)
            case PromptShortened():
                self._calls[event.node].add_event("rlm.prompt_shortened", {"rlm.prompt_chars": event.prompt_chars})
            case FoldStarted():
                self._begin_fold(event)
            case FoldEnded():
                self._end_fold(event)
            case Folded():
                told: Attributes = {"rlm.up_to": event.up_to, "rlm.prompt_chars": event.prompt_chars}
                self._agent_of(event.node).add_event("rlm.folded", told)
            case RootReplied():
                self._replied(event)
            case RootFailed():
                self._ended(self._calls.pop(event.node), {}, event.error)
                self._agent_of(event.node).make_current()
            case CodeStarted():
                self._begin_step(event)
            case CodeEnded():
                self._end_step(event)
            case SubCallStarted():
                self._begin_sub_call(event)
            case SubCallContinued():
                call = self._sub_calls[(*event.node, event.number)]
                call.add_event("rlm.tool_round", {"rlm.tool_calls": event.tool_calls})
            case SubCallEnded():
                self._end_sub_call(event)
            case HostCallStarted():
                self._begin_host_call(event)
            case HostCallEnded():
                self._end_host_call(event)
            case Cited():
                self._cite(event)
            case CheckEnded():
                self._checked(event)
            case Warned():
                self._run.add_event("rlm.warning", {"rlm.warning.kind": event.kind})
            case RunEnded():
                self._end(event.result.trace, event.result.text)
            case RunFailed():
                self._end(event.result.trace, event.result.text, event.error)
            case _:
                pass

    # -- the root LM

    def _ask(self, event: IterationStarted) -> None:
        name, asked = chat_with(event.model)
        asked |= {
            "rlm.iteration": event.iteration,
            "rlm.prompt_chars": event.prompt_chars,
            "rlm.last_call": event.last_call,
        }
        agent = self._agent_of(event.node)
        self._calls[event.node] = self._begin(name, SpanKind.CLIENT, agent.context, asked)
        self._calls[event.node].make_current()

    def _replied(self, event: RootReplied) -> None:
        call = self._calls.pop(event.node)
        told = of_root_reply(event)
        if self._contents:
            told["gen_ai.output.messages"] = message("assistant", event.reply, event.finish or "stop")
        if event.model:
            call.rename(f"chat {event.model}")
        self._ended(call, told, None)
        self._agent_of(event.node).make_current()

    def _begin_fold(self, event: FoldStarted) -> None:
        name, asked = chat_with(event.model)
        asked |= {"rlm.iteration": event.iteration, "rlm.prompt_chars": event.prompt_chars, "rlm.fold": True}
        self._folds[event.node] = self._begin(name, SpanKind.CLIENT, self._agent_of(event.node).context, asked)
        self._folds[event.node].make_current()

    def _end_fold(self, event: FoldEnded) -> None:
        fold, said = self._folds.pop(event.node), event.fold.call
        told = of_root_reply(said)
        if self._contents and event.fold.reply:
            told["gen_ai.output.messages"] = message("assistant", event.fold.reply, said.finish or "stop")
        if said.model:
            fold.rename(f"chat {said.model}")
        self._ended(fold, told, said.error)
        (self._calls.get(event.node) or self._agent_of(event.node)).make_current()

    # -- its code

    def _begin_step(self, event: CodeStarted) -> None:
        told: Attributes = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "python",
            "gen_ai.tool.type": "extension",
            "rlm.iteration": event.iteration,
        }
        if self._contents:
            told["gen_ai.tool.call.arguments"] = "\n\n".join(event.blocks)
        agent = self._agent_of(event.node)
        self._steps[event.node] = self._begin("execute_tool python", SpanKind.INTERNAL, agent.context, told)
        self._steps[event.node].make_current()

    def _end_step(self, event: CodeEnded) -> None:
        step, ran = self._steps.pop(event.node), event.execution
        told: Attributes = {"rlm.sub_calls": ran.sub_call_count, "rlm.failed_sub_calls": ran.failed_sub_call_count}
        if self._contents:
            told["gen_ai.tool.call.result"] = ran.output
        self._ended(step, told, ran.lost or ran.error)
        self._agent_of(event.node).make_current()

    def _end_step_of(self, node: Path) -> None:
        """Of a node that ended amid it: of calls that are open then their ends are told, of code not."""
        step = self._steps.pop(node, None)
        if step is not None:
            self._ended(step, {}, "it was cut off", ours=True)

    # -- what the code asks for

    def _begin_sub_call(self, event: SubCallStarted) -> None:
        if event.is_rlm:
            name, kind, told = "invoke_agent rlm", SpanKind.INTERNAL, self._agent(event.prompt)
        else:
            kind, (name, told) = SpanKind.CLIENT, chat_with(event.model)
            if self._contents:
                told["gen_ai.input.messages"] = message("user", event.prompt)
        told["rlm.sub_call"] = event.number
        if event.batch is not None:
            told["rlm.batch"] = event.batch
        call = self._begin(name, kind, self._step_of(event.node).context, told)
        self._sub_calls[(*event.node, event.number)] = call
        call.make_current()

    def _end_sub_call(self, event: SubCallEnded) -> None:
        self._end_step_of((*event.node, event.call.number))
        call = self._sub_calls.pop((*event.node, event.call.number))
        said = event.call
        if said.child is not None:
            told = of_trace(said.child)
        else:
            replayed = said.replayed_usage if said.replayed else None
            paid = said.usage - said.replayed_usage
            told = of_reply(said.model, paid, said.finish, cached=said.cached, replayed=replayed)
            if said.model:
                call.rename(f"chat {said.model}")
        if self._contents and said.reply:
            told["gen_ai.output.messages"] = message("assistant", said.reply, said.finish or "stop")
        self._ended(call, told, said.error)

    def _begin_host_call(self, event: HostCallStarted) -> None:
        told: Attributes = {"gen_ai.operation.name": "execute_tool"}
        name = "execute_tool"
        if self._contents or event.sub_call is None:  # a sub-LM may call one by a name that it made up
            name, told["gen_ai.tool.name"] = f"execute_tool {event.name}", event.name
        if self._contents:
            told["gen_ai.tool.call.arguments"] = event.arguments
        above = self._step_of(event.node)
        if event.sub_call is not None:
            above = self._sub_calls.get((*event.node, event.sub_call), above)
        call = self._begin(name, SpanKind.INTERNAL, above.context, told)
        self._host_calls[(*event.node, event.number)] = call
        call.make_current()

    def _end_host_call(self, event: HostCallEnded) -> None:
        call = self._host_calls.pop((*event.node, event.number))
        told: Attributes = {}
        if self._contents and event.call.result is not None:
            told["gen_ai.tool.call.result"] = event.call.result
        if event.call.replayed:
            told["rlm.replayed"] = True
        if event.call.error is None:
            told["gen_ai.tool.name"] = event.call.name
            call.rename(f"execute_tool {event.call.name}")
        self._ended(call, told, event.call.error)

    def _cite(self, event: Cited) -> None:
        cited = event.citation
        told: Attributes = {"rlm.start": cited.start_index, "rlm.end": cited.end_index}
        if self._contents:
            told |= {"rlm.document_id": cited.document_id, "rlm.quote": cited.cited_text}
        self._step_of(event.node).add_event("rlm.cited", told)

    def _checked(self, event: CheckEnded) -> None:
        check = event.check
        told: Attributes = {
            "rlm.check": check.name,
            "rlm.iteration": event.iteration,
            "rlm.check.taken": check.objection is None and check.error is None,
        }
        if check.error is not None:
            told["rlm.check.error"] = check.error if self._contents else error_kind(check.error)
        if self._contents and check.objection is not None:
            told["rlm.check.objection"] = check.objection
        self._agent_of(event.node).add_event("rlm.checked", told)

    # -- the run

    def _end(self, trace: RLMTrace, answer: str, error: str | None = None) -> None:
        self._end_step_of(())
        told = of_trace(trace)
        if self._contents and answer:
            told["gen_ai.output.messages"] = message("assistant", answer, "stop")
        self._ended(self._run, told, error)

    def _agent(self, question: str) -> Attributes:
        told: Attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "rlm"}
        if self._contents:
            told["gen_ai.input.messages"] = message("user", question)
        return told

    def _agent_of(self, node: Path) -> OpenSpan:
        return self._sub_calls.get(node, self._run) if node else self._run

    def _step_of(self, node: Path) -> OpenSpan:
        """The step that runs in a node; what a step left behind goes on below the node itself."""
        return self._steps.get(node) or self._agent_of(node)

    def _begin(self, name: str, kind: SpanKind, above: Context, attributes: Attributes) -> OpenSpan:
        span = OpenSpan(self._tracer, name, kind, above, attributes)
        self._open[span] = None
        return span

    def _ended(self, span: OpenSpan, told: Attributes, error: str | None, *, ours: bool = False) -> None:
        """`ours`: whether the error's words are our own, and no document's."""
        del self._open[span]
        span.end(told, error, contents=self._contents or ours)

    def _end_all(self) -> None:
        for span in reversed(self._open):
            with suppress(Exception):
                span.end({}, "the tracer failed", contents=True)
        self._open.clear()
