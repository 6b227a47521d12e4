"""Each placeholder of each prompt file: as ours or the user's, or with what puts foreign words there."""

from __future__ import annotations

import json
from collections.abc import Callable

import pandas as pd
from pydantic import BaseModel, ConfigDict, field_validator

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.description import describe
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.host.sub_tool_calls import result_text
from rlm_integrations.core.host.without_tools import without_tools
from rlm_integrations.core.language_model import Completion, Message, ToolCall, ToolResult, ToolRound
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.loop.actions import CallRootLM, FoldConversation
from rlm_integrations.core.loop.answer_type import AnswerType
from rlm_integrations.core.loop.decide import decide
from rlm_integrations.core.loop.doubts import doubt_of
from rlm_integrations.core.loop.happenings import (
    BudgetView,
    CodeRan,
    FailedBatch,
    Opened,
    Replied,
    UnresolvedMap,
    Verified,
)
from rlm_integrations.core.loop.observation import StepContext, bare_result, observe
from rlm_integrations.core.loop.state import Decision, Rules, State
from rlm_integrations.core.messages import Messages
from rlm_integrations.core.run.direct import texts_told
from rlm_integrations.core.run.reconciling import Reconciling
from rlm_integrations.core.session.memory import begun_anew, goes_on
from rlm_integrations.core.trace.citations import Citation
from rlm_integrations.core.trace.evidence import Evidence, Found
from rlm_integrations.core.trace.records import RLMTrace
from rlm_integrations.core.trace.result import RLMResult
from rlm_integrations.core.wording import one_line
from rlm_integrations.wire.steps import AnswerState, CodeError, Output, ReplLost, StepDone

KEY, TAG = b"key", "6f21"
OPEN = BudgetView(sub_calls_left=9)
OPENING = (Message("system", "You answer."), Message("user", "Question: how many?"))


class Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    n: int = 0

    @field_validator("n", mode="before")
    @classmethod
    def _refuses(cls, value: object) -> object:
        raise ValueError(f"{value} is wrong")


TYPED = AnswerType(Answer)


def rules(question: str = "how many?") -> Rules:
    return Rules(RLMLimits(max_iterations=20), question, 1, False, TYPED.misfit, KEY)


def last_message(decision: Decision) -> str:
    action = decision[1]
    assert isinstance(action, CallRootLM)
    return action.messages[-1].content


def observed(
    *, step: int = 2, question: str = "?", misfit: str | None = None, lost: str | None = None, **done: object
) -> str:
    at = StepContext(step, 20, question, 1, 1, False, TAG, 0, misfit)
    usual: dict[str, object] = {"output": Output("42"), "error": None, "answer": AnswerState()}
    outcome = ReplLost(lost) if lost is not None else StepDone(**(usual | done))  # type: ignore[arg-type]
    return observe(CodeRan(outcome, budget=OPEN), at)


def error(message: str = "E", source: str = "x", line: int | None = 1) -> str:
    return observed(error=CodeError(1, line, source, message))


def failed_batch(reason: str, of: int) -> str:
    ran = CodeRan(StepDone(Output(), None, AnswerState()), failed_batches=[FailedBatch((0,), of, reason)])
    return observe(ran, StepContext(2, 20, "?", 1, 1, False, TAG))


def cut(words: str) -> str:
    return observed(output=Output(words[:4_000], words[-4_000:], 9))


def misfit(words: str) -> str:
    state, _ = decide(rules(), State(Messages(OPENING)), Replied("```repl\nx\n```", OPEN))
    content = json.dumps({words: words, "n": words})
    answer = AnswerState(ready=True, content=content, is_json=True)
    return last_message(decide(rules(), state, CodeRan(StepDone(Output(), None, answer), budget=OPEN)))


def unfilled(words: str) -> str:
    field = f"{{n:{words}}}"
    done = StepDone(Output(), None, AnswerState(ready=True, content=field))
    return doubt_of([field], done, ("n",)) or ""


def open_map(words: str) -> UnresolvedMap:
    return UnresolvedMap("llm_map", one_line(words, 60), 9, ((words, words),) * 9, new=True)


def unresolved(words: str, *, ready: bool = False) -> str:
    state, _ = decide(untyped(), State(Messages(OPENING)), Replied("```repl\nx\n```", OPEN))
    outcome = StepDone(Output(), None, AnswerState(ready=ready, content="an answer"))
    return last_message(decide(untyped(), state, CodeRan(outcome, unresolved=(open_map(words),) * 3, budget=OPEN)))


def unresolved_of_a_plain_reply(words: str) -> str:
    return last_message(
        decide(untyped(), State(Messages(OPENING), unresolved=(open_map(words),)), Replied("FINAL(9)", OPEN))
    )


def untyped() -> Rules:
    return rules()._replace(misfit=lambda text, is_json: None)


def misfit_of_a_plain_reply(words: str, *, direct: bool = False) -> str:
    content = json.dumps({words: words, "n": words})
    return last_message(decide(rules()._replace(direct=direct), State(Messages(OPENING)), Replied(content, OPEN)))


def objected(words: str) -> str:
    checked = rules()._replace(verifies=True, misfit=lambda text, is_json: None)
    state, _ = decide(checked, State(Messages(OPENING)), Replied("```repl\nx\n```", OPEN))
    answer = AnswerState(ready=True, content="42")
    state, _ = decide(checked, state, CodeRan(StepDone(Output(), None, answer), budget=OPEN))
    return last_message(decide(checked, state, Verified(words, OPEN)))


def reconciled(first: str, second: str) -> str:
    """Answers of two runs, which a third is given: each as foreign as a document, and so is what it cites."""

    def result(answer: str) -> RLMResult[str]:
        cited = (Citation(cited_text=answer, start_index=0, end_index=1, document_id=answer),)
        trace = RLMTrace(question="q", context="c", limits=RLMLimits())
        return RLMResult(answer, answer, cited, Evidence.of(Found((), ())), "answer", trace)

    asked = Reconciling(result(first), result(second), AnswerType(None), KEY).question("how many?", 20_000)
    return asked[-1].content


def refused(call: ToolCall) -> str:
    replied = Replied("", OPEN, called=Completion("", tool_calls=(call,)))
    return last_message(decide(rules()._replace(protocol="tool"), State(Messages(OPENING)), replied))


def last_call(draft: str = "", question: str = "how many?") -> str:
    state, _ = decide(rules(question), State(Messages(OPENING), iteration=20), Replied("```repl\nx\n```", OPEN))
    ran = CodeRan(StepDone(Output("42"), None, AnswerState(content=draft)), budget=OPEN)
    return last_message(decide(rules(question), state, ran))


def folded(variable: str = "v", question: str = "how many?") -> list[str]:
    """What the root LM is asked, and told, where its older iterations are folded."""
    steps = [Message("assistant", "x" * 1_000), Message("user", "Step 1 of 20: ok")] * 10
    opening, variables = Opened(OPENING), frozenset([variable])
    of = rules(question)._replace(window_tokens=2_600)
    state = decide(of, State(), opening)[0]._replace(
        messages=Messages((*OPENING, *steps)), iteration=11, variables=variables
    )
    state, action = decide(of, state, Replied("", OPEN))
    assert isinstance(action, FoldConversation)
    state, _ = decide(of, state, Replied("A summary.", OPEN))
    return [action.messages[-1].content, state.messages[3].content]


def sampled(id: str = "d", key: str = "k", value: object = 1, text: str = "x") -> str:
    documents = [Document(f"{id}{n}", text + "x" * 3_000, {key: f"{value}{n}"}) for n in range(9)]
    return describe(Corpus.of(documents), RLMLimits(), KEY)


def whole(id: str = "d", key: str = "k", text: str = "x") -> str:
    return describe(Corpus.of([Document(id, text, {key: text})]), RLMLimits(inline_chars=10**7), KEY)


def called(name: str = "f", arguments: str = "{}", text: str = "x") -> str:
    call = ToolCall(name, arguments)
    rounds = [ToolRound(Completion("", tool_calls=(call,)), (ToolResult(call, text),))]
    return without_tools([Message("user", "q")], rounds, "over", KEY)[-1].content


def rows(row: dict[str, object]) -> str:
    return describe(Corpus.of(pd.DataFrame([row] * 9)), RLMLimits(inline_chars=0), KEY)


def text_of(words: str) -> str:
    return describe(Corpus.of(f"{words}{'x' * 9_000}{words}"), RLMLimits(), KEY)


def names(table: str) -> list[str]:
    """Placeholders out of lines like "file.part: one another"."""
    rows = (line.partition(": ") for line in table.strip().splitlines())
    return [f"{place.strip()}.{name}" for place, _, listed in rows for name in listed.split()]


OURS = names("""
    observation.status: step max_iterations ok_or_error sub_calls
    observation.sub_calls: made seconds left
    observation.error: line of_block kept
    observation.error_no_line: of_block kept
    observation.error_syntax: unit
    fence_protocol.unfinished: why
    tool_protocol.unfinished: why
    tool_protocol.together: n
    observation.quoted: blocks
    observation.answer_of_several: blocks
    observation.answer_named: named
    observation.named: name
    observation.drafts: blocks
    observation.unseen: blocks
    observation.few_steps: left
    observation.few_tokens: percent
    observation.little_time: seconds
    observation.output: tag
    observation.cut: n
    fold.request: folded kept chars earlier
    fold.steps: last
    fold.earlier: last
    fold.last_steps: n
    fold.note: folded
    nudge_no_code: step max_iterations quoted a_step_is_so like_this
    nudge_unfinished: step max_iterations why quoted a_step like_this
    nudge_misfit: step max_iterations quoted like_this
    nudge_unresolved: step max_iterations quoted like_this
    nudge_objected: step max_iterations quoted objected like_this
    observation.answer_objected: tag
    direct.system: example
    direct.docs: documents chars beside tag
    direct.str: chars tag
    direct.unfinished: why
    direct.objected: objected
    last_call: limit tag
    repl_lost: retrieved
    observation.sub_calls_failed: n
    observation.sub_calls_failed_at: n_failed n indices kept
    context_messages: documents ids
    context_docs: documents origin chars spread reading tag
    context_docs_unseen: documents origin chars spread reading
    context_docs_whole: documents origin chars tag
    table: frame
    context_str: chars lines reading n_head n_tail tag
    context_str_unseen: chars lines reading
    context_str_whole: chars tag
    depth_1: sub_chars
    first_message: context max_iterations
    long_message: chars doc_id n_head n_tail n_cut
    message_images: images doc_id
    images.seen: documents have most
    images.unseen: documents have why
    root_system: max_output_chars context_kind chunk_use sub_calls sub_step code_goes all_run
    reconcile: first_tag second_tag
    tool_rounds.result: tag
    tool_rounds.over: why
    tool_rounds.none: why
    tool_rounds.too_many: why
    tool_rounds.unknown: names
    tool_rounds.cut: chars left_out
""")
THE_USERS = names("""
    agent_tool: tool corpus
    answer_schema: schema
    first_message: question
    direct.question: question
    direct.schema: schema
    instructions: instructions
    long_message: head tail
    reconcile: schema
    tool: signature description
    sub_tools: tools
""")
A_TOOLS = names("""
    tool_rounds.error: error
    tool_rounds.unknown: name
    tool_rounds.arguments: excerpt
    tool_rounds.cut: head tail
""")
"""These stand in the result of a tool, which is foreign from end to end: a message of its own, or in a fence."""
A_SUB_CALLS = names("""
    llm_map.pack: instruction form n first items
    llm_map.lone: instruction form items
    llm_map.query: items form
    llm_map.filter: condition
    llm_map.pairs: question
    llm_map.form: whose what
    llm_map.form_choices: choices
    llm_map.form_schema: schema
    llm_map.before: why
    llm_map.query_before: why
""")
"""These stand in the prompt of a sub-call, which the code of the root LM wrote; tests/core/host has its items."""
FOREIGN: dict[str, Callable[[str], str]] = {
    "observation.error.message": error,
    "observation.error.source": lambda words: error(source=words),
    "observation.error_no_line.message": lambda words: error(words, line=None),
    "fold.request.question": lambda words: folded(question=words)[0],
    "fold.request.variables": lambda words: folded(variable=words)[0],
    "fold.note.variables": lambda words: folded(variable=words)[1],
    "observation.answer_refused.why": lambda words: observed(answer=AnswerState(refused=words)),
    "observation.answer_misfit.why": misfit,
    "observation.answer_objected.words": objected,
    "observation.answer_unfilled.field": unfilled,
    "observation.variables.variables": lambda words: observed(variables=(words, words)),
    "observation.question_again.question": lambda words: observed(step=8, question=words),
    "observation.output.output": cut,
    "observation.unresolved.maps": unresolved,
    "observation.answer_unresolved.maps": lambda words: unresolved(words, ready=True),
    "nudge_misfit.why": misfit_of_a_plain_reply,
    "direct.misfit.why": lambda words: misfit_of_a_plain_reply(words, direct=True),
    "direct.docs.whole": lambda words: texts_told(
        Corpus.of([Document(words[:400], words[:400], {"k": words[:400]})]), KEY
    ),
    "direct.str.whole": lambda words: texts_told(Corpus.of(words[:400] or "x"), KEY),
    "nudge_unresolved.why": unresolved_of_a_plain_reply,
    "last_call.draft": last_call,
    "last_call.question": lambda words: last_call(question=words),
    "reconcile.first": lambda words: reconciled(words, "x"),
    "reconcile.second": lambda words: reconciled("x", words),
    "repl_lost.reason": lambda words: observed(lost=words),
    "session_lost.reason": lambda words: bare_result(ReplLost(words)),
    "session_ended.reason": lambda words: begun_anew(words or "x").words,
    "session_goes_on.variables": lambda words: goes_on([words]),
    "observation.sub_calls_failed.reason": lambda words: failed_batch(words, of=1),
    "observation.sub_calls_failed_at.reason": lambda words: failed_batch(words, of=2),
    "context_docs.ids": sampled,
    "context_docs.meta": lambda words: sampled(key=words, value=words),
    "context_docs.sample_id": sampled,
    "context_docs.sample_meta": lambda words: sampled(key=words),
    "context_docs.sample": lambda words: sampled(text=words),
    "context_docs_unseen.ids": sampled,
    "context_docs_unseen.meta": lambda words: sampled(key=words),
    "context_docs_whole.meta": lambda words: whole(key=words[:400]),
    "context_docs_whole.whole": lambda words: whole(id=words[:400], text=words[:400]),
    "tool_rounds.result.name": lambda words: called(name=words),
    "tool_rounds.result.arguments": lambda words: called(arguments=words),
    "tool_rounds.result.text": lambda words: called(text=result_text(words, 4_000)),
    "tool_protocol.other_tool.name": lambda words: refused(ToolCall(words)),
    "tool_protocol.no_code.excerpt": lambda words: refused(ToolCall("python", words)),
    "table.columns": lambda words: rows({"n" + words: "v" + words}),
    "table.text_column": lambda words: rows({"text": words or "x", "n" + words: 1}),
    "context_str.head": text_of,
    "context_str.tail": text_of,
    "context_str_whole.text": lambda words: describe(Corpus.of(words[:400] or "x"), RLMLimits(), KEY),
}
