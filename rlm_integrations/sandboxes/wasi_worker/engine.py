"""The engine that compiles components and runs them: both must be configured alike."""

from __future__ import annotations

from importlib import import_module
from typing import Any

wasmtime: Any = import_module("wasmtime")  # by its name: types are checked where it is not installed, too

STACK_BYTES = 256 << 20
"""CPython bounds the stack that C keeps in linear memory, not this one, and where this ends the session does: a value
nested a million deep is freed within it."""


def make_engine() -> Any:
    config = wasmtime.Config()
    bindings, pointer = import_module("wasmtime._bindings"), config.ptr()
    bindings.wasmtime_config_async_stack_size_set(pointer, STACK_BYTES)  # less than the next ends the process
    config.max_wasm_stack = STACK_BYTES
    bindings.wasmtime_config_concurrency_support_set(pointer, False)  # so that code runs on the stack of its thread
    return wasmtime.Engine(config)
