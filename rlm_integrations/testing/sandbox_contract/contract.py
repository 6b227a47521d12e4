"""What all parts of the contract's tests share."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

import pytest
import pytest_asyncio

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.sandbox import Repl, Sandbox
from rlm_integrations.testing.sandbox_contract.open_repl import OpenRepl, echo
from rlm_integrations.wire.settings import ReplSettings


def contract_settings(**changes: Any) -> ReplSettings:
    """Settings of a REPL with sub-calls, of which some may be changed."""
    values: dict[str, Any] = {
        "depth": 1,
        "sub_call_chars": 20_000_000,
        "max_output_chars": 8192,
        "step_timeout_s": 20.0,
        "memory_mb": 256,
    }
    return ReplSettings(**(values | changes))


async def until_true(condition: Callable[[], bool]) -> None:
    """Waits for what another process brings about. Raises TimeoutError if it does not within ten seconds."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


class ReplOpener(Protocol):
    """Opens a REPL of the sandbox under test, over what a user passes as context. The test's end closes it."""

    def __call__(
        self,
        context: Any = None,
        *,
        retrieved: Sequence[Document] = (),
        answer: Callable[[Any], Any] = echo,
        **changes: Any,
    ) -> Awaitable[Any]:
        """An OpenRepl, with these settings changed. Any: what a step comes to is what tests are to find out."""
        ...


class Contract:
    """Gives the tests of a part the sandbox of the subclass."""

    gaps: ClassVar[Mapping[str, str]] = {}
    """Tests that this sandbox does not pass, by name, as "test_name" or "test_name[case]", and why. One that passes
    fails then: a gap that was closed is to be taken off."""

    calls_one_by_one: ClassVar[int] = 1_100
    """How many calls of the host code makes one after another, as a test: fewer where each takes long."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for name, function in vars(cls).items():
            if name.startswith("test_") and inspect.iscoroutinefunction(function):
                pytest.mark.asyncio(function)

    @pytest.fixture
    def sandbox(self) -> Sandbox:
        """The sandbox under test. To be overridden; a fixture of a wider scope may give one to all tests."""
        raise NotImplementedError("override the fixture `sandbox` to return the sandbox that is tested")

    def kill(self, repl: Repl) -> None:
        """End a REPL from outside, as a kernel that is short of memory does. To be overridden where it is possible."""
        pytest.skip("this sandbox's tests have no way to end a REPL from outside")

    @pytest.fixture(autouse=True)
    def _expect_gaps(self, request: pytest.FixtureRequest) -> None:
        name: str = request.node.name
        for gap in (name, name.partition("[")[0]):
            if gap in self.gaps:
                request.applymarker(pytest.mark.xfail(strict=True, raises=AssertionError, reason=self.gaps[gap]))

    @pytest_asyncio.fixture
    async def open_repl(self, sandbox: Sandbox) -> AsyncIterator[ReplOpener]:
        """Opens REPLs; all are closed at the end of the test."""
        opened: list[Repl] = []

        async def open_(
            context: Any = None,
            *,
            retrieved: Sequence[Document] = (),
            answer: Callable[[Any], Any] = echo,
            **changes: Any,
        ) -> OpenRepl:
            repl = await sandbox.open(Corpus.of(context), contract_settings(**changes), retrieved)
            opened.append(repl)
            return OpenRepl(repl, answer)

        yield open_
        for repl in opened:
            await repl.close()
