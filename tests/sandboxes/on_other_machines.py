"""Tries all attempts, and what the layers say, as on other machines, in forks of one process.

    python -m tests.sandboxes.on_other_machines MACHINE...

Each machine is a JSON object: "output", a file for all that is written there; "attempts", whether to try them; and
"ordinary_user" (true), "no_namespaces" (true) and "no_landlock" (the name of an errno). They run at the same time. Each
first writes, as lines of JSON, the layers of a REPL there, and the attempts, each with why it did not fail, or null.
Then come the tests of layers, by pytest. Prints their exit statuses, as a list of JSON.
"""

from __future__ import annotations

import asyncio
import errno
import gc
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import httpx  # noqa: F401 - these are for conftest.py
import hypothesis  # noqa: F401
import pytest

import rlm_integrations.sandboxes.wasi.sandbox  # noqa: F401
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.sandboxes.choose import resolve_sandbox
from rlm_integrations.testing.sandbox_contract import OpenRepl, contract_settings
from tests.sandboxes.attempts import ATTEMPTS, assert_fails, is_as_it_began, is_for_this_machine, listening
from tests.sandboxes.other_machine import become_nobody, forbid, prove_no_landlock, prove_no_namespaces, prove_nobody

TESTS = Path(__file__).with_name("test_confinement.py")
OPTIONS = ["-k", "layer", f"--rootdir={TESTS.parents[2]}", "-p", "no:cacheprovider"]
OPTIONS += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # a plugin of it was imported with the above


def start(machine: dict[str, Any]) -> int:
    """Returns the process id."""
    if pid := os.fork():
        return pid
    with open(machine["output"], "wb", buffering=0) as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    sys.exit(run(machine))


def run(machine: dict[str, Any]) -> int:
    """Returns the exit status."""
    landlock = getattr(errno, machine.get("no_landlock", ""), 0)
    if machine.get("ordinary_user"):
        become_nobody()
        prove_nobody()
    if machine.get("no_namespaces") or landlock:
        forbid(namespaces=machine.get("no_namespaces", False), landlock=landlock)
    if machine.get("no_namespaces"):
        prove_no_namespaces()
    if landlock:
        prove_no_landlock(landlock)
    sandbox = resolve_sandbox("auto")
    tell(sandbox.capabilities().layers)
    tell(asyncio.run(try_attempts(sandbox)) if machine["attempts"] else {})
    return pytest.main([str(TESTS), *OPTIONS])


async def try_attempts(sandbox: Any) -> dict[str, str | None]:
    """In the REPL of the last one where nothing is left of it: in test_escape.py each has its own, too."""
    tried: dict[str, str | None] = {}
    live = None
    for attempt in filter(is_for_this_machine, ATTEMPTS):
        if live is None:
            live = OpenRepl(await sandbox.open(Corpus.of(None), contract_settings(memory_mb=1024)))
        with listening() as listener:
            try:
                await assert_fails(attempt, live, listener)
            except (Exception, pytest.fail.Exception):
                tried[attempt] = traceback.format_exc()
            else:
                tried[attempt] = None
        if tried[attempt] or not await is_as_it_began(live, attempt):
            await live.repl.close()
            live = None
    if live is not None:
        await live.repl.close()
    return tried


def tell(what: object) -> None:
    sys.stdout.write(f"{json.dumps(what)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    gc.freeze()  # nothing that was imported is garbage
    running = [start(json.loads(machine)) for machine in sys.argv[1:]]
    tell([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in running])
