"""Answering without code: whether a question is to be answered so, and what the root LM is told then."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import partial

from rlm_integrations.core.calls.conversation import conversation
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.facts import pictured
from rlm_integrations.core.corpus.question import Question
from rlm_integrations.core.corpus.whole import fits_whole, whole_text
from rlm_integrations.core.language_model import Message
from rlm_integrations.core.loop.exact_figure import asks_for_figure
from rlm_integrations.core.loop.happenings import Opened
from rlm_integrations.core.loop.route import Choice, RouteFacts, choose_way, short_tokens
from rlm_integrations.core.loop.state import Rules
from rlm_integrations.core.prompts.fences import fence_tag
from rlm_integrations.core.prompts.texts import direct_part
from rlm_integrations.core.run.children import AskRootLM
from rlm_integrations.core.run.direct_evidence import proven, tell_of_evidence
from rlm_integrations.core.run.opening import rules_of, window_tokens
from rlm_integrations.core.run.plan import RunPlan
from rlm_integrations.core.run.root_calls import RootCalls
from rlm_integrations.core.run.shared import Shared
from rlm_integrations.core.trace.events import Event
from rlm_integrations.core.wording import number, plural

_BYTES_PER_TOKEN = 4
"""Of UTF-8: in English as many characters, in Chinese one and a third."""


class Direct:
    """The direct way of one node. `ask` sends without a tool."""

    def __init__(
        self,
        shared: Shared,
        question: Question,
        emit: Callable[[Event], Awaitable[None]],
        ask: AskRootLM,
    ) -> None:
        self._shared, self._question, self._emit = shared, question, emit
        self.root = RootCalls(shared, emit, ask, "fence")

    async def way(self, corpus: Corpus, *, in_session: bool) -> Choice:
        """Which way the question is to go."""
        plan, question = self._shared.plan, self._question
        return await self._shared.threads.run(partial(way_of, plan, question, corpus, in_session=in_session))

    async def open(self, corpus: Corpus) -> Opened:
        """What the root LM is told first."""
        return await self._shared.threads.run(opened_directly, self._shared.plan, self._question, corpus)

    def rules(self, *, verifies: bool) -> Rules:
        rules = rules_of(self._shared.plan, self._question, 0, whole=True, verifies=verifies)
        return rules._replace(direct=True, protocol="fence")

    async def tell_of_evidence(self, reply: str, corpus: Corpus, iteration: int) -> None:
        """Record what the reply that became the answer quotes."""
        evidence = await self._shared.threads.run(proven, reply, corpus)
        await tell_of_evidence(evidence, iteration, self._shared.cited, self._emit)


def way_of(plan: RunPlan, question: Question, corpus: Corpus, *, in_session: bool) -> Choice:
    """Which way the question goes. Reads no more of a corpus than what may be short."""
    window, most = window_tokens(plan.root, plan.limits.max_input_tokens), plan.limits.direct_tokens
    room, _ = short_tokens(window, most)
    chars = max(corpus.chars, len(corpus.documents))
    tokens = chars // _BYTES_PER_TOKEN
    short = chars <= _BYTES_PER_TOKEN * room
    if short and corpus.kind == "documents" and not fits_whole(corpus, _BYTES_PER_TOKEN * room):
        tokens = room + 1
    elif short:
        said = (question.text, *(message.content for message in (*question.before, *question.after)))
        texts = said if corpus.in_messages else (*said, whole_text(corpus))
        tokens = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts) // _BYTES_PER_TOKEN
    needs = _needs_code(plan, corpus, in_session=in_session)
    figure = asks_for_figure(question.text)
    return choose_way(RouteFacts(corpus.kind, tokens, len(corpus.documents), figure, window, most, needs))


def _needs_code(plan: RunPlan, corpus: Corpus, *, in_session: bool) -> str:
    if corpus.retriever is not None:
        return "the context is a retriever, which may find more"
    if plan.tools or plan.sub_tools:
        return "there are tools, which only code calls" if plan.tools else "there are tools of sub-LMs"
    if pictured(corpus):
        return "documents have pictures, which only sub-LMs see"
    if plan.system_prompt is not None:
        return "system_prompt tells of code"
    return "a session goes on in a REPL" if in_session else ""


def opened_directly(plan: RunPlan, question: Question, corpus: Corpus) -> Opened:
    """What the root LM sees: all of the texts, and the question."""
    quoted = corpus.kind != "none"
    example = direct_part("example_str" if corpus.kind == "str" else "example_docs")
    system = direct_part("system", example=example) if quoted else direct_part("system_alone")
    if plan.instructions:
        system += f"\n\n{plan.instructions}" + (f"\n{direct_part('instructions')}" if quoted else "")
    parts = [] if not quoted or corpus.in_messages else [texts_told(corpus, plan.fence_key)]
    parts.append(direct_part("question", question=question.text))
    if plan.answer_type.schema is not None:
        parts.append(direct_part("schema", schema=json.dumps(plan.answer_type.schema, ensure_ascii=False)))
    said = Message("user", "\n\n".join(parts))
    return Opened(conversation((Message("system", system), *question.before, said, *question.after)))


def texts_told(corpus: Corpus, fence_key: bytes) -> str:
    """All of a corpus, in a fence that it cannot close."""
    whole, chars = whole_text(corpus), number(corpus.chars)
    tag = fence_tag(fence_key, whole)
    if corpus.kind == "str":
        return direct_part("str", chars=chars, whole=whole, tag=tag)
    beside = " and metadata" if any(document.metadata for document in corpus.documents) else ""
    documents = plural(len(corpus.documents), "document")
    return direct_part("docs", documents=documents, chars=chars, beside=beside, whole=whole, tag=tag)
