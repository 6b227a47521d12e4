"""All that the code can reach: two clocks, random bytes, and `call`. Of WASI nothing else is linked."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

_wasm: Any = import_module("wasmtime.component")

_MOST_RANDOM_BYTES = 1 << 20


def define_imports(linker: Any, component: Any, call: Callable[[Any, str], str]) -> None:
    """Whatever else the component imports is a trap."""
    functions: dict[str, dict[str, Callable[..., Any]]] = {
        "wasi:clocks/monotonic-clock@0.2.9": {"now": _now, "resolution": _resolution},
        "wasi:clocks/wall-clock@0.2.9": {"now": _moment_now, "resolution": _resolution_of_moments},
        "wasi:random/random@0.2.9": {"get-random-bytes": _random_bytes},
        "wasi:cli/environment@0.2.9": {"get-environment": _nothing, "get-arguments": _nothing},
        "wasi:filesystem/preopens@0.2.9": {"get-directories": _nothing},
    }
    with linker.root() as root:
        root.add_func("call", call)
        for interface, named in functions.items():
            with root.add_instance(interface) as instance:
                for name, function in named.items():
                    instance.add_func(name, function)
    linker.define_unknown_imports_as_traps(component)


def _now(store: object) -> int:
    return time.monotonic_ns()


def _resolution(store: object) -> int:
    return 1_000


def _moment_now(store: object) -> Any:
    return _moment(time.time_ns())


def _resolution_of_moments(store: object) -> Any:
    return _moment(1_000)


def _random_bytes(store: object, count: int) -> bytes:
    return os.urandom(min(count, _MOST_RANDOM_BYTES))


def _nothing(store: object) -> list[str]:
    return []


def _moment(nanoseconds: int) -> Any:
    moment = _wasm.Record()
    moment.seconds, moment.nanoseconds = divmod(nanoseconds, 10**9)
    return moment
