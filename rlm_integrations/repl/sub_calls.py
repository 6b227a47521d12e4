"""Sub-calls: a prompt, or many side by side, put to another language model by the host."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rlm_integrations.repl.asked_map import AskedMap, map_items, task_of
from rlm_integrations.repl.awaitable_replies import Awaiting
from rlm_integrations.repl.chunks import heading, without_heads
from rlm_integrations.repl.corpus_view import CorpusView
from rlm_integrations.repl.host_calls import SubCallError, ask
from rlm_integrations.repl.host_port import HostPort, HostRefusalError
from rlm_integrations.repl.images import named_images
from rlm_integrations.repl.matches import Match
from rlm_integrations.wire.calls import LlmQuery, Reserve

_CUT = "cut the text with chunks()"
_AROUND_A_MATCH = 1_000
"""Characters on both sides that go along with a match in a corpus that is one text: all of it is hardly meant."""


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


def failed(refusal: HostRefusalError) -> FailedSubCall:
    """What stands for a reply that was refused."""
    return FailedSubCall(refusal.message, refusal.kind == "cut")


class SubCalls:
    """Holds what the functions that the model calls need. All of them may be called from several threads at once."""

    def __init__(self, host: HostPort, corpus: CorpusView, max_chars: int, awaiting: Awaiting | None = None) -> None:
        """`max_chars` is the longest prompt of a sub-call."""
        self._host = host
        self._awaiting = awaiting or Awaiting()
        self._corpus = corpus
        self._max_chars = max_chars

    def llm_query(self, prompt: str, context: Any = None, schema: Any = None, images: Any = None) -> Any:
        """The reply of another language model, which sees this prompt and nothing else.

        `context`, a text or documents, goes below the prompt; of a match its document, or of a match in a corpus that
        is one text the lines around it. `images` are pictures that it sees: items of `d["images"]`. With `schema`, as
        `llm_map` takes it, the value of that type; a reply that is none is asked for again.

        Raises SubCallError when the call fails or no reply was such a value, SubCallLimitError when the budget is
        spent, ValueError and TypeError before anything is sent.
        """
        whole = self._with_context("prompt", prompt, context)
        check_prompt("prompt", whole, self._max_chars, _CUT)
        named = named_images("images", images, self._corpus)
        if schema is None:
            return self._awaiting.given(ask(self._host, LlmQuery(str.__str__(whole), images=named), SubCallError))
        if named:
            raise ValueError("schema and images: pass one of them; nothing was sent")
        asked = self.asked([whole], schema)
        asked.ask()
        if 0 in asked.found:
            return self._awaiting.given(asked.found[0])
        why = asked.left.pop(0)
        asked.tell()
        raise SubCallError(f"llm_query: {why}")

    def llm_query_batched(self, prompts: Iterable[Any], schema: Any = None) -> list[Any]:
        """The replies to many prompts, or pairs (prompt, images), asked side by side, in order.

        A failed one is a FailedSubCall in its place. With `schema`, for prompts alone, the values, as `llm_map` gives
        them.
        """
        if schema is None:
            return self._awaiting.given(self.ask_all(prompts))
        given = listed("prompts", prompts)
        asked = self.asked(given, schema)
        asked.ask()
        return asked.results(lambda found: [found.get(index) for index in range(len(given))])

    def ask_all(self, prompts: Iterable[Any]) -> list[str]:
        """The same for the REPL's own functions, which await nothing."""
        sent = pairs(listed("prompts", prompts), "images")
        named = [named_images(f"prompt {place}: image", images, self._corpus) for place, (_, images) in enumerate(sent)]
        return self._send([prompt for prompt, _ in sent], named)

    def rlm_query(self, prompt: str, context: Any = None) -> str:
        """At the last depth, where a sub-call cannot be an RLM: `llm_query`."""
        return self.llm_query(prompt, context)

    def rlm_query_batched(self, prompts: Iterable[Any]) -> list[str]:
        """The same for prompts or pairs (prompt, context)."""
        sent = pairs(listed("prompts", prompts))
        whole = [self._with_context(f"prompt {index}", *pair) for index, pair in enumerate(sent)]
        return self._awaiting.given(self._send(whole))

    def asked(self, prompts: list[Any], schema: Any) -> AskedMap:
        """Prompts for values, not asked yet. Raises TypeError and ValueError."""
        for index, prompt in enumerate(prompts):
            check_prompt(f"prompt {index}", prompt, self._max_chars, _CUT)
        task, names = task_of("query", "", schema), range(len(prompts))
        return AskedMap(self._host, task, map_items(map(str.__str__, prompts), names), names)

    def _send(self, prompts: list[Any], images: list[list[list[str]]] | None = None) -> list[str]:
        for index, prompt in enumerate(prompts):
            check_prompt(f"prompt {index}", prompt, self._max_chars, _CUT)
        if not prompts:
            return []
        batch = ask(self._host, Reserve(len(prompts), sum(map(str.__len__, prompts))), SubCallError)
        calls = [
            LlmQuery(str.__str__(prompt), batch, index, images[index] if images else [])
            for index, prompt in enumerate(prompts)
        ]
        replies = self._host.call_all(calls)
        return [failed(reply) if isinstance(reply, HostRefusalError) else reply for reply in replies]

    def _with_context(self, name: str, prompt: Any, context: Any) -> Any:
        if context is None or not isinstance(prompt, str):
            return prompt
        piece = context if self._is_text(context) else self._joined(name, context)
        return f"{prompt}\n\n{piece}"

    def _joined(self, name: str, context: Any) -> str:
        """Documents and texts below their heads."""
        if isinstance(context, (str, dict)) or not isinstance(context, Iterable):
            return self._part(name, context)
        items: list[Any] = list(context)  # pyright: ignore[reportUnknownArgumentType]
        headed = not all(self._is_text(item) for item in items)
        return "\n\n".join(
            without_heads(item) if headed and self._is_text(item) else self._part(name, item) for item in items
        )

    def _is_text(self, item: Any) -> bool:
        return isinstance(item, str) and not self._is_id(item)

    def _is_id(self, text: str) -> bool:
        return self._corpus.one_text is None and self._corpus.document(text) is not None

    def _part(self, name: str, item: Any) -> str:
        if self._is_text(item):
            return item
        if isinstance(item, Match) and item.passage.text is self._corpus.one_text:
            return item.with_around(_AROUND_A_MATCH).line
        try:
            picked, said = self._corpus.pick([item]), self._corpus.said_columns
            return "\n\n".join(heading(passage, said) + without_heads(passage.text) for passage in picked)
        except TypeError:
            kind = type(item).__name__
            problem = f"{name}: its context holds {kind}, which is not a text, a document or a match; nothing was sent"
            raise TypeError(problem) from None


def check_prompt(name: str, prompt: Any, max_chars: int, remedy: str) -> None:
    """Raises TypeError or ValueError for what cannot be sent; `remedy` is what to do about one that is too long."""
    if not isinstance(prompt, str):
        raise TypeError(f"{name} is {type(prompt).__name__}, not str; nothing was sent")
    if not prompt.strip():
        raise ValueError(f"{name} is empty; nothing was sent")
    if len(prompt) > max_chars:
        long = f"{name} has {len(prompt):,} characters; a sub-call takes at most {max_chars:,}"
        raise ValueError(f"{long}; nothing was sent; {remedy}")


def pairs(items: list[Any], second: str = "context") -> list[tuple[Any, Any]]:
    """Prompts and pairs (prompt, context) as pairs; `second` is what else stands there."""
    read: list[tuple[Any, Any]] = []
    for index, item in enumerate(items):
        if not isinstance(item, (tuple, list)):
            read.append((item, None))
        elif len(item) == 2:  # pyright: ignore[reportUnknownArgumentType]
            read.append((item[0], item[1]))  # pyright: ignore[reportUnknownArgumentType]
        else:
            raise ValueError(f"prompt {index}: a pair (prompt, {second}) has two items; nothing was sent")
    return read


def listed(name: str, items: Any) -> list[Any]:
    """The items of what must be a list. Raises TypeError, naming it."""
    if isinstance(items, (str, dict)) or not isinstance(items, Iterable):
        raise TypeError(f"{name} is {type(items).__name__}, not a list of str; nothing was sent")  # pyright: ignore[reportUnknownArgumentType]
    return list(items)  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
