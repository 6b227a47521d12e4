"""Which machine a REPL is opened on: the one with the fewest, and none beyond its bound."""

from __future__ import annotations

import threading
import time

from rlm_integrations.core.trace.run_errors import SandboxError
from rlm_integrations.sandboxes.remote.engine import Engine, Machine, MachineLostError, Pool
from rlm_integrations.sandboxes.remote.pool import versions

PATIENCE_S = 60.0
"""Seconds that an open waits for a place where all are taken. It may be those who wait that have them."""

START_S = 60.0
"""Seconds that a machine has to start its pool."""

_LOOK_S = 1.0  # between two questions for the machines that there are
_AVOID_S = 60.0  # an engine may call a machine alive for so long that is not


class Host:
    """A machine with its pool, as its callers see it."""

    def __init__(self, machine: Machine, pool: Pool) -> None:
        self.machine, self.pool = machine, pool
        self.taken = 0
        """Places that REPLs have. Changed by `Placement` alone."""
        self.lost_at: float | None = None
        """On the monotonic clock; None for one that is not lost."""
        self.layers: dict[str, str] | None = None
        """What confines REPLs there; None until it was asked."""
        self.sending = threading.Lock()
        """Held while a corpus is brought there."""
        self._greeting = threading.Lock()

    def lose(self) -> None:
        """It is gone, or its pool. What is still there of either is ended."""
        if self.lost_at is None:
            self.lost_at = time.monotonic()
            self.pool.end()

    def greet(self) -> None:
        """See that its pool can serve, once; blocks. Raises MachineLostError, SandboxError and what its pool raises."""
        with self._greeting:
            if self.layers is not None:
                return
            try:
                # no sign of life is asked for: a pool that is still being started gives none
                self.layers = self.pool.submit("greet", versions()).result(START_S)
            except TimeoutError:
                raise MachineLostError(
                    f"had not started its pool after {START_S:g} s: what that takes (num_cpus, resources) may be in use"
                ) from None
            except SandboxError as error:
                words = str(error).removeprefix("sandbox: ")
                raise SandboxError(f"sandbox: {self.machine.address} cannot be used: {words}") from None


class Placement:
    """The places of all machines. Safe in any thread."""

    def __init__(self, engine: Engine, modules: tuple[str, ...], per_machine: int) -> None:
        self._engine, self._modules, self._per_machine = engine, modules, per_machine
        self._changed = threading.Condition()
        self._hosts: dict[str, Host] = {}
        self._looked = float("-inf")

    def take(self) -> Host:
        """A place, which is counted at once; blocks while there is none. Raises SandboxError."""
        end = time.monotonic() + PATIENCE_S
        with self._changed:
            while True:
                self._look()
                if not self._hosts:
                    raise SandboxError(f"sandbox: the {self._engine.name} has no machine for REPLs; see `resources`")
                free = [host for host in self._hosts.values() if host.taken < self._per_machine]
                if free:
                    break
                if time.monotonic() > end:
                    raise SandboxError(
                        f"sandbox: all {len(self._hosts)} machines of the {self._engine.name} had {self._per_machine} "
                        f"REPLs for {PATIENCE_S:g} s; raise repls_per_node, add machines or run fewer at once"
                    )
                self._changed.wait(_LOOK_S)  # a machine may have come
            host = min(free, key=lambda each: (each.lost_at or 0.0, each.taken / max(each.machine.cores, 1.0)))
            if host.lost_at is not None:  # no other is there, and it may have been the pool alone
                host = self._start(host.machine)
            host.taken += 1
            return host

    def give_back(self, host: Host) -> None:
        with self._changed:
            host.taken -= 1
            self._changed.notify()

    def hosts(self) -> list[Host]:
        """Those that are not known to be lost."""
        with self._changed:
            return [host for host in self._hosts.values() if host.lost_at is None]

    def greet_all(self) -> None:
        """Have pools everywhere, and ask each what confines REPLs there; blocks. Passes machines that are lost."""
        with self._changed:
            self._look()
        for host in self.hosts():
            try:
                host.greet()
            except MachineLostError:
                host.lose()

    def _look(self) -> None:
        """Know the machines that there are. The lock is held."""
        now = time.monotonic()
        if self._hosts and now < self._looked + _LOOK_S:
            return
        self._looked = now
        known = self._hosts
        self._hosts = {}
        for machine in self._engine.machines():
            host = known.pop(machine.id, None)
            forgiven = host is not None and host.lost_at is not None and now > host.lost_at + _AVOID_S
            if host is None or forgiven:
                self._start(machine)
            else:
                self._hosts[machine.id] = host
        for gone in known.values():
            gone.lose()

    def _start(self, machine: Machine) -> Host:
        host = self._hosts[machine.id] = Host(machine, self._engine.start_pool(machine, self._modules))
        return host
