"""What Ray does for a remote sandbox: an actor on each machine, and calls of its methods."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from concurrent.futures import Future, InvalidStateError
from typing import Any

from rlm_integrations.core.trace.run_errors import SandboxError
from rlm_integrations.ray.api import exceptions, ray, scheduling
from rlm_integrations.sandboxes.remote.engine import Machine, MachineLostError
from rlm_integrations.sandboxes.remote.pool import NodePool

_CALLS_AT_ONCE = 10_000  # of one actor: two for each REPL, and what opens them


class RayEngine:
    """The cluster that this program is connected to."""

    name = "Ray cluster"

    def __init__(self, resources: Mapping[str, float], num_cpus: float) -> None:
        self._resources, self._num_cpus = dict(resources), num_cpus

    def machines(self) -> list[Machine]:
        if not ray.is_initialized():
            raise SandboxError("sandbox: this program has left the Ray cluster (ray.shutdown); make a new RaySandbox")
        asked = {**self._resources, "CPU": self._num_cpus}
        return [
            Machine(row["NodeID"], row["NodeManagerAddress"], row["Resources"].get("CPU", 1.0))
            for row in ray.nodes()
            if row["Alive"] and all(row["Resources"].get(name, 0.0) >= amount for name, amount in asked.items())
        ]

    def start_pool(self, machine: Machine, modules: tuple[str, ...]) -> RayPool:
        there = scheduling.NodeAffinitySchedulingStrategy(machine.id, soft=False)
        options: dict[str, Any] = {"num_cpus": self._num_cpus, "resources": self._resources, "max_restarts": 0}
        actor = ray.remote(NodePool).options(scheduling_strategy=there, max_concurrency=_CALLS_AT_ONCE, **options)
        return RayPool(actor.remote(modules))


class RayPool:
    """An actor. It ends with this program, and where nobody has it any more."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def submit(self, method: str, *arguments: Any) -> Future[Any]:
        if not ray.is_initialized():
            raise MachineLostError("was left (ray.shutdown)")
        told: Future[Any] = Future()
        try:
            reference = getattr(self._actor, method).remote(*arguments)
            answered: Future[Any] = reference.future()
        except (exceptions.RayError, ValueError) as error:  # ValueError: an actor of a cluster that was left
            raise MachineLostError(f"cannot be reached: {_first_line(error)}") from None

        def tell(answered: Future[Any], _: Any = reference) -> None:
            error = answered.exception()
            with contextlib.suppress(InvalidStateError):  # nobody waits for it any more
                if error is None:
                    told.set_result(answered.result())
                else:
                    told.set_exception(_as_of_a_pool(error))

        answered.add_done_callback(tell)
        return told

    def end(self) -> None:
        with contextlib.suppress(Exception):  # it may have ended, and its cluster too
            ray.kill(self._actor)


def _as_of_a_pool(error: Any) -> BaseException:
    if isinstance(error, exceptions.RayTaskError):
        return error.cause
    if isinstance(error, exceptions.ActorDiedError) and "No module named" in str(error):
        missing = str(error).partition("No module named")[2].partition("\n")[0].strip().strip("'\"")
        return SandboxError(
            f"sandbox: it has no module {missing}: install rlm-integrations on all machines of the cluster, in the "
            "version of this program, or have Ray bring it (runtime_env)"
        )
    if isinstance(error, exceptions.ActorUnschedulableError):
        return MachineLostError("has no room for its pool")
    if isinstance(error, exceptions.RayActorError):
        return MachineLostError("was lost, or its pool was killed")
    return MachineLostError(f"was lost: {_first_line(error)}")


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
