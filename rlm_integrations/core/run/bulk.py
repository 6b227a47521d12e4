"""Many questions over one context: so many runs at a time, each of which fails alone."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

from rlm_integrations.core.calls.callers_thread import ask_caller
from rlm_integrations.core.calls.end_together import side_by_side
from rlm_integrations.core.calls.foreign_code import carrying_interrupts, contained, delivering_interrupts
from rlm_integrations.core.calls.threads import in_thread
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.question import read_question
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.journal.fingerprints import question_hash
from rlm_integrations.core.journal.samples import numbered, sample
from rlm_integrations.core.language_model import Message
from rlm_integrations.core.run.arguments import check_counts, check_questions
from rlm_integrations.core.run.plan import RunPlan
from rlm_integrations.core.run.twice import new_run
from rlm_integrations.core.trace.ends_run import boundary, delivering_ends
from rlm_integrations.core.trace.result import RLMResult
from rlm_integrations.core.trace.run_errors import JournalError, MapError, RunError, result_of
from rlm_integrations.core.wording import number, plural

AskedOnce = str | Sequence[Message]
Outcome = RLMResult[Any] | RunError
OnResult = Callable[[int, Any], Any]


class BulkRun:
    """Use `await BulkRun(...).perform()`, once. Raises InvalidArgumentError for wrong questions."""

    def __init__(
        self,
        plan: RunPlan,
        questions: Iterable[AskedOnce],
        context: object,
        concurrency: int,
        on_result: OnResult | None = None,
        *,
        sync: bool,
    ) -> None:
        check_counts(concurrency=concurrency)
        check_questions(questions)
        if on_result is not None and not callable(on_result):
            given = type(on_result).__name__
            raise InvalidArgumentError(f"on_result: {given} given; pass a function(position, result), or leave it out")
        self._plan, self._context, self._concurrency = plan, context, concurrency
        self._on_result, self._sync = on_result, sync
        self._questions = list(questions)
        self._samples = numbered(_checked_hashes(self._questions, plan.limits.message_chars))
        self._outcomes: list[Outcome | None] = [None] * len(self._questions)

    async def perform(self) -> list[RLMResult[Any]]:
        """The results, in the order of the questions.

        Raises MapError where some failed, once all have ended, and at once what ends the job, which has in `.results`
        what there was by then, of runs that were cut off too.
        """
        with boundary("context"):  # for all: it may be one that can be read once
            self._context = await in_thread(Corpus.of, self._context)
        places = iter(range(len(self._questions)))
        at_once = min(self._concurrency, len(self._questions))
        try:
            with delivering_interrupts():
                await side_by_side(self._work(places) for _ in range(at_once))
        except BaseException as end:
            vars(end)["results"] = self._take_outcomes()
            raise
        return _all_answered(cast("list[Outcome]", self._take_outcomes()))

    def _take_outcomes(self) -> list[Outcome | None]:
        """What came of each question. Not kept: the tracebacks of errors hold this."""
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    async def _work(self, places: Iterable[int]) -> None:
        """Answer one question after another, of those that nobody has taken yet."""
        with carrying_interrupts():
            for place in places:
                await self._answer(place)
                if self._on_result is not None:
                    with delivering_ends(), boundary("on_result", known=()):
                        await contained(self._tell(self._on_result, place))

    async def _answer(self, place: int) -> None:
        try:
            with sample(self._samples[place]):
                run = new_run(self._plan, self._questions[place], self._context, sync=self._sync)
                self._outcomes[place] = await run.perform()
        except RunError as error:
            self._outcomes[place] = error
            if isinstance(error, JournalError):  # no other run can keep what it pays for either
                raise
        except BaseException as end:
            self._outcomes[place] = _cut_off(end)
            raise

    async def _tell(self, on_result: OnResult, place: int) -> None:
        def tell() -> Any:
            return on_result(place, self._outcomes[place])

        told = await ask_caller(tell) if self._sync and not inspect.iscoroutinefunction(on_result) else tell()
        if inspect.isawaitable(told):
            await told


def _cut_off(end: BaseException) -> Outcome | None:
    """What a run had come to when it was ended from without."""
    had = result_of(end)
    if had is None:  # it had not begun
        return None
    return had if had.trace.error is None else RunError(had.trace.error, had)


def _checked_hashes(questions: Sequence[AskedOnce], message_chars: int) -> list[str]:
    """Before anything is paid for."""
    hashes: list[str] = []
    for place, question in enumerate(questions):
        try:
            hashes.append(question_hash(read_question(question, message_chars)))
        except InvalidArgumentError as error:
            raise InvalidArgumentError(f"questions[{place}]: {error}") from error
    return hashes


def _all_answered(outcomes: Sequence[Outcome]) -> list[RLMResult[Any]]:
    results = [outcome for outcome in outcomes if not isinstance(outcome, RunError)]
    failed = [(place, outcome) for place, outcome in enumerate(outcomes) if isinstance(outcome, RunError)]
    if failed:
        place, first = failed[0]
        raise MapError(
            f"{number(len(failed))} of {plural(len(outcomes), 'question')} failed, questions[{place}] first: "
            f"{first}. The results, with the errors in their places, are in .results",
            outcomes,
        ) from first
    return results
