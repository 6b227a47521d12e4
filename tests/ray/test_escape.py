"""What code tries against its confinement fails on a machine that is not the caller's as it does on this one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.sandbox import Repl, Sandbox
from rlm_integrations.testing.sandbox_contract import OpenRepl, contract_settings

from ..sandboxes.test_escape import *  # noqa: F403, TID252 - all of its tests, with the fixtures below

pytest.importorskip("ray", reason="Ray is not installed: pip install 'rlm-integrations[ray]'")
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"
)


@pytest.fixture
def sandbox(elsewhere: Sandbox) -> Sandbox:
    return elsewhere


@pytest.fixture
def many_an_attempt() -> bool:
    """It takes long to open one there. On this machine, in `tests/sandboxes`, each attempt has its own."""
    return True


@pytest.fixture
async def open_repl(elsewhere: Sandbox) -> AsyncIterator[Callable[..., Any]]:
    opened: list[Repl] = []

    async def open_(context: Any = None, answer: Any = None, **changes: Any) -> OpenRepl:
        opened.append(await elsewhere.open(Corpus.of(context), contract_settings(**changes)))
        return OpenRepl(opened[-1], answer) if answer else OpenRepl(opened[-1])

    yield open_
    for repl in opened:
        await repl.close()
