"""Sub-calls: a prompt, or many side by side, put to another language model by the host."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from rlm_integrations.repl.awaitable_replies import Awaiting
from rlm_integrations.repl.chunks import heading, without_heads
from rlm_integrations.repl.corpus_view import CorpusView
from rlm_integrations.repl.host_calls import SubCallError, ask
from rlm_integrations.repl.host_port import HostPort, HostRefusalError
from rlm_integrations.wire.calls import LlmQuery, Reserve


class FailedSubCall(str):
    """Stands for the reply of a sub-call that failed. `.error` says why."""

    __slots__ = ("cut", "error")
    error: str
    cut: bool
    """Whether its reply was longer than the model's limit of output: asked for less, it may fit."""

    def __new__(cls, error: str = "", cut: bool = False) -> FailedSubCall:
        failed = super().__new__(cls, f"[sub-call failed: {error}]")
        failed.error, failed.cut = error, cut
        return failed

    def __reduce__(self) -> tuple[type[FailedSubCall], tuple[str, bool]]:
        return FailedSubCall, (self.error, self.cut)


def _failed(refusal: HostRefusalError) -> FailedSubCall:
    return FailedSubCall(refusal.message, refusal.kind == "cut")


class SubCalls:
    """Holds what the functions that the model calls need. All of them may be called from several threads at once."""

    def __init__(self, host: HostPort, corpus: CorpusView, max_chars: int, awaiting: Awaiting | None = None) -> None:
        """`max_chars` is the longest prompt of a sub-call."""
        self._host = host
        self._awaiting = awaiting or Awaiting()
        self._corpus = corpus
        self._max_chars = max_chars

    def functions(self) -> dict[str, Callable[..., Any]]:
        """By the names that the model calls them. Where a sub-call cannot be an RLM, `rlm_query` is `llm_query`."""
        return {
            "llm_query": self.llm_query,
            "llm_query_batched": self.llm_query_batched,
            "rlm_query": self.llm_query,
            "rlm_query_batched": self.rlm_query_batched,
            "recursive_llm": self.llm_query,
        }

    def llm_query(self, prompt: str, context: Any = None) -> str:
        """The reply of another language model, which sees this prompt and nothing else.

        `context`, a text or documents, goes below the prompt. Raises SubCallError when the call fails,
        SubCallLimitError when the budget is spent, ValueError and TypeError before anything is sent.
        """
        whole = self._with_context("prompt", prompt, context)
        self._check("prompt", whole)
        return self._awaiting.given(ask(self._host, LlmQuery(str.__str__(whole)), SubCallError))

    def llm_query_batched(self, prompts: Iterable[str]) -> list[str]:
        """The replies to many prompts, asked side by side, in order; a failed one is a FailedSubCall in its place."""
        return self._awaiting.given(self.ask_all(prompts))

    def ask_all(self, prompts: Iterable[str]) -> list[str]:
        """The same for the REPL's own functions, which await nothing."""
        return self._send(_listed("prompts", prompts))

    def rlm_query_batched(self, prompts: Iterable[Any]) -> list[str]:
        """The same for prompts or pairs (prompt, context)."""
        whole: list[Any] = []
        for index, item in enumerate(_listed("prompts", prompts)):
            if isinstance(item, (tuple, list)):
                if len(item) != 2:  # pyright: ignore[reportUnknownArgumentType]
                    raise ValueError(f"prompt {index}: a pair (prompt, context) has two items; nothing was sent")
                item = self._with_context(f"prompt {index}", *item)  # pyright: ignore[reportUnknownArgumentType]
            whole.append(item)
        return self._awaiting.given(self._send(whole))

    def _send(self, prompts: list[Any]) -> list[str]:
        for index, prompt in enumerate(prompts):
            self._check(f"prompt {index}", prompt)
        if not prompts:
            return []
        batch = ask(self._host, Reserve(len(prompts)), SubCallError)
        calls = [LlmQuery(str.__str__(prompt), batch, index) for index, prompt in enumerate(prompts)]
        replies = self._host.call_all(calls)
        return [_failed(reply) if isinstance(reply, HostRefusalError) else reply for reply in replies]

    def _check(self, name: str, prompt: Any) -> None:
        if not isinstance(prompt, str):
            raise TypeError(f"{name} is {type(prompt).__name__}, not str; nothing was sent")
        if not prompt.strip():
            raise ValueError(f"{name} is empty; nothing was sent")
        if len(prompt) > self._max_chars:
            raise ValueError(
                f"{name} has {len(prompt):,} characters; a sub-call takes at most {self._max_chars:,}; "
                "nothing was sent; cut the text with chunks()"
            )

    def _with_context(self, name: str, prompt: Any, context: Any) -> Any:
        if context is None or not isinstance(prompt, str):
            return prompt
        piece = context if isinstance(context, str) else self._joined(name, context)
        return f"{prompt}\n\n{piece}"

    def _joined(self, name: str, context: Any) -> str:
        """Documents and texts below their heads. A str is a text here, never an id."""
        if isinstance(context, dict) or not isinstance(context, Iterable):
            return self._part(name, context)
        items: list[Any] = list(context)  # pyright: ignore[reportUnknownArgumentType]
        headed = not all(isinstance(item, str) for item in items)
        return "\n\n".join(
            without_heads(item) if headed and isinstance(item, str) else self._part(name, item) for item in items
        )

    def _part(self, name: str, item: Any) -> str:
        if isinstance(item, str):
            return item
        try:
            picked = self._corpus.pick([item])
            return "\n\n".join(heading(passage) + without_heads(passage.text) for passage in picked)
        except TypeError:
            kind = type(item).__name__
            problem = f"{name}: its context holds {kind}, which is not a text, a document or a match; nothing was sent"
            raise TypeError(problem) from None


def _listed(name: str, items: Any) -> list[Any]:
    if isinstance(items, (str, dict)) or not isinstance(items, Iterable):
        raise TypeError(f"{name} is {type(items).__name__}, not a list of str; nothing was sent")  # pyright: ignore[reportUnknownArgumentType]
    return list(items)  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
