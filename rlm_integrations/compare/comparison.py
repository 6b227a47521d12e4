"""`compare`: the user's questions over the user's corpus and models, by several methods, side by side."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol

from rlm_integrations.compare.asking import Asker, Models, NoReplyError, TooLongError
from rlm_integrations.compare.attempt import Answered, Attempt, Estimate, Status
from rlm_integrations.compare.models import as_language_model
from rlm_integrations.compare.reading import Direct, MapReduce
from rlm_integrations.compare.recursing import RLM
from rlm_integrations.compare.report import Comparison
from rlm_integrations.compare.retrieving import TopK
from rlm_integrations.compare.tree_summarize import TreeSummarize, is_installed
from rlm_integrations.core.calls.budget import BudgetError
from rlm_integrations.core.calls.overflow import is_overflow
from rlm_integrations.core.calls.prices import PricesOption
from rlm_integrations.core.calls.sync_bridge import run_blocking
from rlm_integrations.core.calls.threads import in_thread
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.errors import InvalidArgumentError, MissingExtraError
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.trace.records import RLMTrace
from rlm_integrations.core.trace.result import RLMResult
from rlm_integrations.core.trace.run_errors import LimitReachedError
from rlm_integrations.core.usage import Usage
from rlm_integrations.core.wording import error_words

OUTPUT_TOKENS = 500
"""Of a reply, about, for estimates."""


class Method(Protocol):
    """A way from a question and a corpus to an answer."""

    @property
    def name(self) -> str: ...
    async def answer(self, question: str, corpus: Corpus, models: Models, asker: Asker) -> Answered: ...
    def estimated(self, corpus: Corpus, models: Models) -> tuple[int, int]: ...


Confirm = Callable[[Estimate], bool]
OnAttempt = Callable[[Attempt], None]


def usual_methods() -> list[Method]:
    """Direct, BM25 at 4, 20 and 100, map-reduce, tree_summarize, and the RLM at depths 0 to 2; what is installed."""
    methods: list[Method] = [Direct()]
    with suppress(MissingExtraError):
        methods += [TopK(4), TopK(20), TopK(100)]
    methods.append(MapReduce())
    if is_installed():
        methods.append(TreeSummarize())
    return [*methods, RLM(0), RLM(1), RLM(2)]


def compare(questions: str | Sequence[str], context: object, llm: Any, **options: Any) -> Comparison:
    """`acompare`, from sync code."""
    return run_blocking(lambda: acompare(questions, context, llm, **options))


async def acompare(
    questions: str | Sequence[str],
    context: object,
    llm: Any,
    *,
    max_cost_usd: float | None,
    sub_llm: Any = None,
    methods: Sequence[Method] | None = None,
    expected: Mapping[str, str] | None = None,
    prices: PricesOption | None = None,
    limits: RLMLimits | Mapping[str, Any] | None = None,
    max_total_tokens: int = 5_000_000,
    confirm: Confirm | None = None,
    on_attempt: OnAttempt | None = None,
) -> Comparison:
    """Ask each question by each method, one after another, and put what came of it side by side.

    Args:
        questions: One or several.
        context: The corpus, as RLMEngine takes it; not a retriever (`TopK` takes one).
        llm: The root LM: a LanguageModel, or a model of LangChain or LlamaIndex.
        max_cost_usd: What all of it may cost, in US dollars. An attempt that would go beyond is skipped. None: only
            `max_total_tokens` holds, for models that cost nothing.
        sub_llm: What maps, summaries and sub-calls ask. Default: `llm`.
        methods: `Direct`, `TopK`, `MapReduce`, `TreeSummarize`, `RLM`, or yours. Default: `usual_methods()`.
        expected: Right answers, by question, where they are known.
        prices: What tokens cost, as of RLMEngine.
        limits: Of one question by one method.
        max_total_tokens: What all of it may take.
        confirm: Called with an Estimate before anything is sent. False: nothing is.
        on_attempt: Called as each ends.

    Returns:
        A Comparison: `.attempts`, `.table()`, `.to_html(path)`.

    Raises:
        InvalidArgumentError: An argument is wrong, or `confirm` said no.
        MissingExtraError: A method needs a package that is not installed.

    Whatever ends it after something was asked (Ctrl-C, a CancelledError, a fault of `on_attempt`) has a `.result`: the
    Comparison of what there was by then.
    """
    texts = _read_questions(questions)
    if max_cost_usd is not None and not max_cost_usd > 0:
        raise InvalidArgumentError(f"max_cost_usd: {max_cost_usd!r} given; pass US dollars above 0, or None")
    chosen = _read_methods(methods)
    corpus = await _read_corpus(context)
    root = as_language_model(llm, "llm")
    sub = root if sub_llm is None else as_language_model(sub_llm, "sub_llm")
    models = Models(root, sub, RLMLimits.of(limits), prices)
    if max_cost_usd is not None and models.pricing("llm", root) is None and getattr(root, "prices", None) is None:
        _check_reported(prices, root)
    estimate = estimated(chosen, corpus, models, len(texts))
    if confirm is not None and not confirm(estimate):
        raise InvalidArgumentError("confirm: it said no, and nothing was sent")
    bounds = Bounds(max_cost_usd, max_total_tokens)
    attempts: list[Attempt] = []

    def compared(tried: Iterable[str]) -> Comparison:
        return Comparison(tuple(texts), tuple(tried), tuple(attempts), dict(expected or {}), estimate)

    try:
        for question in texts:
            for method in chosen:
                await bounds.attempt(method, question, corpus, models, attempts.append)
                if on_attempt is not None:
                    on_attempt(attempts[-1])
    except BaseException as end:
        if attempts:
            vars(end)["result"] = compared(dict.fromkeys(each.method for each in attempts))
        raise
    return compared(method.name for method in chosen)


def _read_questions(questions: str | Sequence[str]) -> list[str]:
    texts = [questions] if isinstance(questions, str) else list(questions)
    if not texts or not all(isinstance(each, str) and each.strip() for each in texts):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidArgumentError("questions: pass one question, or a list of them, each a str that asks something")
    return texts


def _read_methods(methods: Sequence[Method] | None) -> list[Method]:
    chosen = usual_methods() if methods is None else list(methods)
    names = [method.name for method in chosen]
    if not names or len(set(names)) < len(names):
        raise InvalidArgumentError(f"methods: {', '.join(names) or 'none'} given; pass some, each once")
    return chosen


async def _read_corpus(context: object) -> Corpus:
    corpus = await in_thread(Corpus.of, context)
    if corpus.retriever is not None or corpus.kind == "none":
        raise InvalidArgumentError(
            "context: pass the documents that all methods are to answer from, and a retriever to TopK"
        )
    return corpus


def _check_reported(prices: PricesOption | None, model: object) -> None:
    if prices is None and not getattr(model, "reports_cost", False):
        raise InvalidArgumentError(
            'max_cost_usd: what calls cost is unknown; pass prices={"llm": {"input_price": ..., "output_price": ...}}, '
            "or max_cost_usd=None and max_total_tokens"
        )


def estimated(methods: Sequence[Method], corpus: Corpus, models: Models, questions: int) -> Estimate:
    """What all of it takes, about."""
    each = [method.estimated(corpus, models) for method in methods]
    calls, tokens = (questions * sum(values) for values in zip(*each, strict=True))
    return Estimate(calls, tokens + calls * OUTPUT_TOKENS, _cost(models, calls, tokens))


def _cost(models: Models, calls: int, tokens: int) -> float | None:
    """At the dearer of the two models' prices."""
    costs: list[float] = []
    for pricing, model in (
        (models.pricing("llm", models.llm), models.llm),
        (models.pricing("sub_llm", models.sub_llm), models.sub_llm),
    ):
        pricing = pricing or getattr(model, "prices", None)
        if pricing is not None:
            usage = Usage(input_tokens=tokens, output_tokens=calls * OUTPUT_TOKENS)
            cost = pricing.cost_usd(usage, getattr(model, "name", None) or "")
            costs += [] if cost is None else [cost]
    return max(costs, default=None)


class Bounds:
    """What is left of what all attempts may take."""

    def __init__(self, cost_usd: float | None, tokens: int) -> None:
        self._cost, self._tokens = cost_usd, tokens

    async def attempt(
        self, method: Method, question: str, corpus: Corpus, models: Models, keep: Callable[[Attempt], None]
    ) -> None:
        """Make the attempt, unless it would take more than is left; keep what came of it, cut off or not."""
        if (why := self._beyond(method, corpus, models)) is not None:
            keep(Attempt(question, method.name, "skipped", note=why))
            return
        limits = models.limits
        within: dict[str, Any] = {"max_total_tokens": min(limits.max_total_tokens or self._tokens, self._tokens)}
        if self._cost is not None:
            within["max_cost_usd"] = min(limits.max_cost_usd or self._cost, self._cost)
        bounded = replace(models, limits=limits.model_copy(update=within))

        def made(attempt: Attempt) -> None:
            self._tokens -= attempt.usage.total_tokens
            if self._cost is not None:
                self._cost -= attempt.usage.cost_usd or 0.0
            keep(attempt)

        await attempt(method, question, corpus, bounded, made)

    def _beyond(self, method: Method, corpus: Corpus, models: Models) -> str | None:
        """Why it would take more than is left; None where it does not."""
        calls, tokens = method.estimated(corpus, models)
        cost = _cost(models, calls, tokens)
        if tokens > self._tokens or self._tokens <= 0:
            return f"about {tokens:,} tokens, {max(0, self._tokens):,} are left"
        if self._cost is not None and (self._cost <= 0 or (cost or 0.0) > self._cost):
            told = f"about ${cost:.4f}" if cost is not None else "it"
            return f"{told} is beyond the ${max(0.0, self._cost):.4f} that are left"
        return None


async def attempt(
    method: Method, question: str, corpus: Corpus, models: Models, keep: Callable[[Attempt], None]
) -> None:
    """One question by one method, kept as it ends. Whatever a model or a retriever raises is what came of it.

    What ends the whole comparison is raised, and what the attempt had come to is kept before.
    """
    asker, began = Asker(models), time.monotonic()
    end: BaseException | None = None
    done: Answered | None = None
    status: Status = "answered"
    note, trace = "", None
    try:
        done = await method.answer(question, corpus, models, asker)
    except TooLongError as error:
        status, note = "too_long", str(error)
    except (BudgetError, LimitReachedError) as error:
        status, note = "limit", str(error)
        trace = _trace_of(error)
    except NoReplyError as error:
        status, note = "failed", str(error)
    except BaseException as error:
        status, note = ("too_long" if is_overflow(error) else "failed"), error_words(error)
        trace = _trace_of(error)
        if isinstance(error, asyncio.CancelledError):
            note = "cut off"
        if isinstance(error, InvalidArgumentError) or not isinstance(error, Exception):
            end = error
    if done is not None:
        trace = done.trace
        status = "limit" if done.limit else "truncated" if done.truncated or asker.cut else "answered"
        note = f"reached {done.limit}" if done.limit else asker.cut or ("cut to fit" if done.truncated else "")
    calls = asker.calls if trace is None else trace.iteration_count + trace.fold_count + trace.sub_call_count
    ended = Attempt(
        question,
        method.name,
        status,
        "" if done is None else done.text,
        () if done is None else done.citations,
        calls,
        asker.usage if trace is None else trace.usage,
        time.monotonic() - began,
        note,
        tuple(asker.rounds),
        trace,
    )
    if end is None or ended.calls:
        keep(ended)
    if end is not None:
        raise end


def _trace_of(error: BaseException) -> RLMTrace | None:
    result: object = vars(error).get("result")
    return result.trace if isinstance(result, RLMResult) else None
