"""Whole runs on the machines of a Ray cluster, for jobs over many questions."""

from __future__ import annotations

import asyncio
import contextlib
import pickle
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from rlm_integrations.core.calls.end_together import end_together
from rlm_integrations.core.run.arguments import check_counts, check_questions
from rlm_integrations.core.trace.run_errors import SandboxError
from rlm_integrations.core.wording import error_words, one_line
from rlm_integrations.ray.api import exceptions, ray
from rlm_integrations.ray.job_record import JobRecord
from rlm_integrations.ray.open_work import OpenQuestion, OpenWork
from rlm_integrations.sandboxes.own_thread import in_own_thread

_WAYS_TO_ASK = ("arun", "ainvoke", "aquery", "achat")
_AGAIN_S = 1.0  # between two looks whether Ray has started an actor anew


class RunActor:
    """What runs on a machine: one engine or chain, asked many questions at once."""

    def __init__(self, make_chain: Callable[[], Any]) -> None:
        self._make_chain = make_chain
        self._made: asyncio.Future[Callable[[Any], Any]] | None = None

    async def ready(self) -> None:
        """Make it, once. Raises what the function raises, and TypeError for what cannot be asked."""
        if self._made is None:
            self._made = asyncio.ensure_future(in_own_thread(self._way_to_ask, discard=lambda _: None))
        await asyncio.shield(self._made)

    async def ask(self, question: Any) -> Any:
        """The result, or the exception: a RunError has what was paid for."""
        await self.ready()
        assert self._made is not None
        try:
            return await self._made.result()(question)
        except Exception as error:
            return _sendable(error)

    def _way_to_ask(self) -> Callable[[Any], Any]:
        made = self._make_chain()
        for name in _WAYS_TO_ASK:
            if hasattr(made, name):
                return getattr(made, name)
        raise TypeError(
            f"make_chain returned a {type(made).__name__}, which has none of {', '.join(_WAYS_TO_ASK)}; return an "
            "RLMEngine, a Runnable or a query engine"
        )


async def rlm_map(
    make_chain: Callable[[], Any],
    questions: Iterable[Any],
    *,
    at_once: int = 8,
    journal: str | Path | None = None,
    actors: int | None = None,
    num_cpus: float = 1,
    resources: Mapping[str, float] | None = None,
    tries: int = 3,
) -> AsyncGenerator[tuple[int, Any], None]:
    """Answer many questions by whole runs on the machines of the cluster that this program is connected to.

    Each actor makes an engine or chain for itself and is asked `at_once` questions at a time; one is read from
    `questions` when there is a place for it. Where an actor or its machine is lost, Ray starts it elsewhere, and what
    was in flight there is asked again, and paid for again. What fails is given as its exception, and ends nothing else.

    Args:
        make_chain: Called once in each actor, without arguments: makes models, reads keys and corpora there. Returns
            an RLMEngine, an RLMRunnable or any Runnable, or a query or chat engine. It is sent by value, so what it
            refers to must be picklable; a module that it imports must be installed on the machines.
        questions: What `arun`, `ainvoke` or `aquery` takes.
        at_once: Questions in flight in each actor.
        journal: A file in this program's file system that keeps each answer as it comes: the same job, begun again,
            asks none of these a second time, and starts actors at the first that it has to ask. What failed is asked
            again. Equal questions are samples of their own. It holds pickled answers: open none that somebody else
            wrote.
        actors: How many; None: one for each machine.
        num_cpus: CPUs that Ray gives to an actor.
        resources: Ray's resources that it takes besides.
        tries: How often a question is asked whose actor is lost each time. Then its outcome is a SandboxError.

    Yields:
        (number, outcome) as they come: the question's place, from 0, and its result or exception.

    Raises:
        InvalidArgumentError: An argument is wrong, or a question cannot be sent.
        SandboxError: There is no cluster, or its machines lack this package.
        Exception: Whatever `make_chain` raises.
    """
    check_counts(at_once=at_once, tries=tries, actors=1 if actors is None else actors)
    check_questions(questions)
    if not ray.is_initialized():
        raise SandboxError("rlm_map: this program is connected to no Ray cluster; call ray.init(address=...) first")
    record = None if journal is None else JobRecord(Path(journal))
    job = _Job(OpenWork(questions), record, tries)
    pool: list[Any] = []
    lanes: list[asyncio.Task[None]] = []
    try:
        async for outcome in job.kept_at_the_beginning():
            yield outcome
        if job.has_ended:
            return
        options = {"num_cpus": num_cpus, "resources": dict(resources or {}), "max_restarts": -1}
        kind = ray.remote(RunActor).options(**options, scheduling_strategy="SPREAD", max_concurrency=at_once + 1)
        pool = [kind.remote(make_chain) for _ in range(actors or sum(node["Alive"] for node in ray.nodes()))]
        lanes = [asyncio.create_task(job.lane(actor)) for actor in pool for _ in range(at_once)]
        while (outcome := await job.outcomes.get()) is not None:
            if isinstance(outcome, BaseException):
                raise outcome
            yield outcome
    finally:
        try:
            await end_together(lanes)
        finally:
            for actor in pool:
                with contextlib.suppress(Exception):
                    ray.kill(actor)
            if record is not None:
                record.close()


class _Job:
    def __init__(self, work: OpenWork, record: JobRecord | None, tries: int) -> None:
        self._work, self._record, self._tries = work, record, tries
        self._keys: dict[int, str] = {}
        self.outcomes: asyncio.Queue[tuple[int, Any] | BaseException | None] = asyncio.Queue()
        """None: that was all. An exception: the job cannot go on."""

    @property
    def has_ended(self) -> bool:
        return self._work.has_ended

    async def kept_at_the_beginning(self) -> AsyncGenerator[tuple[int, Any], None]:
        """What was answered before, up to the first question that an actor is needed for."""
        while (question := await self._work.take()) is not None:
            kept = self._kept(question)
            await self._work.end(question, again=kept is None)
            if kept is None:
                return
            yield question.number, kept[0]

    async def lane(self, actor: Any) -> None:
        """Ask one question after another, while there are some."""
        try:
            while True:
                await _ready(actor)  # one that has no place yet is given no question
                question = await self._work.take()
                if question is None:
                    self.outcomes.put_nowait(None)
                    return
                await self._ask(actor, question)
        except BaseException as error:
            if not isinstance(error, asyncio.CancelledError):
                self.outcomes.put_nowait(error)
                return
            raise

    async def _ask(self, actor: Any, question: OpenQuestion) -> None:
        kept = self._kept(question)
        if kept is None:
            question.tries += 1
            try:
                outcome = await actor.ask.remote(question.asked)
            except exceptions.RayActorError:
                if question.tries < self._tries:
                    await self._work.end(question, again=True)
                    return
                outcome = SandboxError(f"the machine that ran it was lost, {self._tries} times")
            except exceptions.RayError as error:  # an exception of a run is a result, and comes as one
                outcome = SandboxError(f"what came of it cannot be brought here: {_words(error)}")
            record = self._record
            if record is not None and not isinstance(outcome, Exception):
                key = self._keys[question.number]
                await in_own_thread(lambda: record.keep(key, outcome), discard=lambda _: None)
        else:
            outcome = kept[0]
        self.outcomes.put_nowait((question.number, outcome))
        await self._work.end(question)

    def _kept(self, question: OpenQuestion) -> tuple[Any] | None:
        if self._record is None:
            return None
        if question.number not in self._keys:
            self._keys[question.number] = self._record.key(question.asked)
        return self._record.answer(self._keys[question.number])


async def _ready(actor: Any) -> None:
    while True:
        try:
            await actor.ready.remote()
        except exceptions.RayTaskError as error:
            raise error.cause from None
        except exceptions.RayActorError as error:
            if error.actor_init_failed:  # as it would in each process that Ray starts
                *_, words = str(error).strip().splitlines()
                raise SandboxError(
                    f"rlm_map: an actor could not begin on its machine: {one_line(words)}; install the same version of "
                    "rlm-integrations there"
                ) from None
            await asyncio.sleep(_AGAIN_S)  # Ray starts it again
        else:
            return


def _words(error: Any) -> str:
    """Without Ray's tracebacks."""
    cause = error.cause if isinstance(error, exceptions.RayTaskError) else error
    return one_line(error_words(cause).partition("\n")[0])


def _sendable(error: Exception) -> Exception:
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
