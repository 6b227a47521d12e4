"""What code tries against its confinement fails on a machine that is not the caller's as it does on this one."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.sandbox import Repl, Sandbox
from rlm_integrations.testing.sandbox_contract import OpenRepl, contract_settings

from ..sandboxes.test_escape import *  # noqa: F403, TID252 - all of its tests, with the fixture below
from ..sandboxes.test_escape import ATTEMPTS  # noqa: TID252

pytest.importorskip("ray", reason="Ray is not installed: pip install 'rlm-integrations[ray]'")
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"
)


REFUSED = r"raises \[Errno 1\] Operation not permitted"


def leaves_nothing(attempt: str) -> bool:
    """Whether the kernel is to refuse it, and it touches neither the memory of its REPL nor what that talks through."""
    code, *outcome = ATTEMPTS.get(attempt, ("",))
    return " ".join(outcome) == REFUSED and not re.search("CHANNEL|mprotect", code)


@pytest.fixture(scope="module")
def tried() -> Iterator[list[Repl]]:
    """The REPL in which such attempts were made."""
    repls: list[Repl] = []
    yield repls
    for repl in repls:
        repl.end()


@pytest.fixture
async def open_session(
    elsewhere: Sandbox, tried: list[Repl], request: pytest.FixtureRequest
) -> AsyncIterator[Callable[..., Any]]:
    """Attempts that leave nothing follow each other in one REPL, as it takes longer to open one.

    Each is made in a fresh one on this machine, in `tests/sandboxes`.
    """
    case = getattr(request.node, "callspec", None)
    shares = case is not None and leaves_nothing(case.params.get("attempt", ""))
    opened: list[Repl] = []

    async def open_(context: Any = None, answer: Any = None, **changes: Any) -> OpenRepl:
        opened.append(tried.pop() if shares and tried else await new(context, **changes))
        return OpenRepl(opened[-1], answer) if answer else OpenRepl(opened[-1])

    async def new(context: Any, **changes: Any) -> Repl:
        return await elsewhere.open(Corpus.of(context), contract_settings(**changes))

    yield open_
    for repl in opened:
        if shares and repl.leave_loop():
            tried.append(repl)
        else:
            await repl.close()
