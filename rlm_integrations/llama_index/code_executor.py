"""The sandbox as what runs the code of LlamaIndex's CodeActAgent."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

from llama_index.core.tools.types import BaseTool

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.host.tools import read_tools
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.loop.observation import bare_result
from rlm_integrations.core.sandbox import Sandbox
from rlm_integrations.llama_index.arguments import checked_list
from rlm_integrations.llama_index.kept_repl import KeptRepl
from rlm_integrations.llama_index.tools import tool_functions
from rlm_integrations.sandboxes.choose import resolve_sandbox
from rlm_integrations.wire.settings import ReplSettings

_MEMORY_MB = 1024


class CodeExecutor:
    """Runs code in a confined REPL whose variables are kept from call to call, and says what it printed or raised.

    One that is called is for sync code, `execute` for async code; both are what `code_execute_fn` takes. It serves any
    number of event loops and threads, one call at a time. It is a context manager; else it is closed when nothing holds
    it any more.
    """

    def __init__(self, repl: KeptRepl) -> None:
        self._repl = repl
        self._closing = weakref.finalize(self, repl.close)

    def __call__(self, code: str) -> str:
        """Run the code. Raises SandboxError where no REPL can be had, InvalidArgumentError once it is closed."""
        return bare_result(self._repl.submit(_checked(code)).result())

    async def execute(self, code: str) -> str:
        """Run the code and give back what it printed, or the error that it ended with."""
        return bare_result(await asyncio.wrap_future(self._repl.submit(_checked(code))))

    def close(self) -> None:
        """End the REPL. May be called twice."""
        self._closing()

    def __enter__(self) -> CodeExecutor:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def get_code_executor(
    *,
    sandbox: str | Sandbox = "auto",
    limits: RLMLimits | Mapping[str, Any] | None = None,
    tools: Sequence[BaseTool | Callable[..., Any]] = (),
) -> CodeExecutor:
    """What runs the code of a CodeActAgent: `CodeActAgent(code_execute_fn=get_code_executor().execute, llm=llm)`.

    Args:
        sandbox: As of RLMEngine.
        limits: Of these, `max_output_chars`, `memory_mb` and `step_timeout_s` mean something here, and for the calls of
            tools in one call of this `call_timeout_s`, `max_tool_calls` and `max_concurrency`.
        tools: What the agent's own `tools` are, once more, for its code to call. They run in this process.

    Raises:
        InvalidArgumentError: An argument is wrong.
        MissingExtraError: The package of the sandbox is not installed.
        SandboxUnavailableError: Nothing can confine a REPL.
    """
    bounds = RLMLimits.of(limits)
    given = checked_list(tools, "tools", "LlamaIndex tools or functions")
    functions = read_tools(tool_functions(given, sync=True))
    settings = ReplSettings(
        depth=0,
        sub_call_chars=bounds.max_output_chars,
        max_output_chars=bounds.max_output_chars,
        step_timeout_s=bounds.step_timeout_s,
        memory_mb=bounds.memory_mb or _MEMORY_MB,
        tools=tuple(functions),
    )
    return CodeExecutor(KeptRepl(resolve_sandbox(sandbox), settings, functions, bounds))


def _checked(code: object) -> str:
    if not isinstance(code, str):
        raise InvalidArgumentError(f"code: {type(code).__name__} given; pass a str")
    return code
