"""A result between the end of its run and whoever asked: nothing that is raised there loses it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from rlm_integrations.core.trace.result import RLMResult
from rlm_integrations.core.trace.run_errors import keep_result, result_of


class KeptResult:
    """The result of a run that is over, which whatever is raised before the caller has it carries as well.

    A context manager. A failed run's error has a `result` of its own, which stays.
    """

    def __init__(self) -> None:
        self.result: RLMResult[Any] | None = None

    def __enter__(self) -> Self:
        return self

    @contextmanager
    def run(self) -> Generator[None]:
        """Around the run: what ends it carries its result, which whatever is raised in place of that carries too.

        A task may be cancelled again, and a handler raise, while the framework tells of the end.
        """
        try:
            yield
        except BaseException as end:
            self.result = result_of(end) or self.result
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None and self.result is not None and result_of(error) is None:
            keep_result(error, self.result)
