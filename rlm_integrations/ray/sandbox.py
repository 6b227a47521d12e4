"""The sandbox of a Ray cluster."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.trace.run_errors import SandboxError
from rlm_integrations.ray.api import ray
from rlm_integrations.ray.engine import RayEngine
from rlm_integrations.sandboxes.remote.sandbox import RemoteSandbox


class RaySandbox(RemoteSandbox):
    """Runs the model's code on the machines of a Ray cluster, each REPL confined there as in the process sandbox.

    The run itself stays in this program: models, keys, tools, callbacks, tracers and limits. Each machine gets a pool,
    an actor that has its REPLs; pools, REPLs and corpora are gone a moment after this program has ended, however it
    ends.
    A large corpus crosses once to each machine that has a REPL over it, and is held there once for all of them.

    Args:
        address: Of the cluster, as `ray.init` takes it; None for the one that Ray finds (`RAY_ADDRESS`, or one that was
            started on this machine). Ignored where the program is connected already. A cluster is never started.
        resources: Ray's resources that a machine must have, and that its pool takes: {"repls": 1}. None: any machine.
        num_cpus: CPUs that a pool takes from what Ray gives to others. REPLs may use more: it is no limit.
        repls_per_node: REPLs that a machine has at once, at most; more wait for a place. Each may use the limit
            `memory_mb`, beside the corpora, and Ray kills a pool where a machine is short of memory.
        imports: As `ProcessSandbox`; the machines of the cluster must have the modules, this one need not.

    Raises:
        InvalidArgumentError: An argument is wrong.
        SandboxError: There is no cluster, or none that answers within about 40 s. Whether its machines have this
            version of the package and of Python shows when the first REPL starts.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        resources: Mapping[str, float] | None = None,
        num_cpus: float = 1,
        repls_per_node: int = 64,
        imports: Iterable[str] = (),
    ) -> None:
        if num_cpus < 0:
            raise InvalidArgumentError(f"num_cpus: {num_cpus!r} is negative; pass how many CPUs a pool takes")
        super().__init__(
            RayEngine(resources or {}, num_cpus), name="ray", imports=imports, repls_per_node=repls_per_node
        )
        _connect(address)


_ATTEMPTS = "RAY_gcs_server_port_wait_time_s"
"""What Ray takes the number of its attempts to connect from."""


@contextmanager
def _one_attempt() -> Generator[None]:
    """Have Ray try once, unless the user says how often: it tries 20 times else, each for 40 s where nobody answers."""
    if _ATTEMPTS in os.environ:
        yield
        return
    os.environ[_ATTEMPTS] = "1"
    try:
        yield
    finally:
        os.environ.pop(_ATTEMPTS, None)  # another thread may have connected meanwhile


def _connect(address: str | None) -> None:
    if ray.is_initialized():
        return
    try:
        with _one_attempt():
            ray.init(address=address or "auto", log_to_driver=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise SandboxError(
            f"sandbox: no Ray cluster could be reached at {address or 'auto'}: {str(error).strip()}; pass its address, "
            "or start one (ray start --head)"
        ) from error
