"""ReplayingModel: a language model that answers from a recorded conversation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from pathlib import Path

from rlm_integrations.core.calls.tool_rounds import as_messages
from rlm_integrations.core.language_model import Completion, Message, ToolRound, ToolSpec
from rlm_integrations.testing.exhaustible import Exhaustible
from rlm_integrations.testing.own_lock import OwnLock
from rlm_integrations.testing.recording import Key, Record, RootRecord, is_sub_call, key_of, question_of, read_records
from rlm_integrations.testing.scripted_model import ScriptExhausted, estimated_usage, shown

_COMPARED_CHARS = 400


class ReplayingModel(Exhaustible):
    """A LanguageModel that gives the replies of a recording, for the root LM and for sub-calls alike.

        with ReplayingModel.from_file("conversation.jsonl") as llm:
            RLMEngine(llm).run(question, corpus)

    Root replies are found by the question and the number of assistant messages so far, sub-calls' replies
    by their exact prompt, so any order and any concurrency will do. Where a recording holds several replies
    under one key they are given in turn and then from the first again: a recording can be replayed any
    number of times. A request without a record raises ScriptExhausted, which shows the nearest record.

    Args:
        records: As `from_file` reads them.
        model: What completions name as their model where the recording has no name.
        max_input_tokens: Its window, as of LanguageModel.
    """

    def __init__(
        self, records: Iterable[Record], *, model: str = "recorded", max_input_tokens: int | None = None
    ) -> None:
        self.model = model
        self.max_input_tokens = max_input_tokens
        self.requests: list[tuple[Message, ...]] = []
        """Every request so far, in the order of arrival."""
        self._records: dict[Key, list[Record]] = {}
        for record in records:
            self._records.setdefault(record.key, []).append(record)
        self._given: dict[Key, int] = {}
        self._unanswered: list[str] = []
        self._own = OwnLock()

    @classmethod
    def from_file(
        cls, path: str | Path, *, model: str = "recorded", max_input_tokens: int | None = None
    ) -> ReplayingModel:
        """A model over a file that a Recorder wrote. Raises InvalidArgumentError where a line is no record."""
        return cls(read_records(path), model=model, max_input_tokens=max_input_tokens)

    async def complete(self, messages: Sequence[Message]) -> Completion:
        return self.complete_sync(messages)

    def with_tools(self, tools: Sequence[ToolSpec]) -> ReplayingToolCaller:
        """The model with tools, which it calls where it is recorded that it did."""
        return ReplayingToolCaller(self)

    def complete_sync(self, messages: Sequence[Message]) -> Completion:
        request, key = tuple(messages), key_of(messages)
        with self._own.lock:
            self.requests.append(request)
            recorded = self._records.get(key)
            if recorded is None:
                problem = _no_record(request, [record for records in self._records.values() for record in records])
                self._unanswered.append(problem)
                raise ScriptExhausted(problem)
            given = self._given.get(key, 0)
            self._given[key] = given + 1
        record = recorded[given % len(recorded)]
        return Completion(
            record.reply,
            record.usage or estimated_usage(request, record.reply),
            record.model or self.model,
            record.finish,
            record.thoughts or "",
            tool_calls=tuple(each.call for each in record.tool_calls),
        )

    def assert_exhausted(self) -> None:
        """Raise ScriptExhausted if a record was never used, or if a request found none, its error caught or not."""
        with self._own.lock:
            unanswered = list(self._unanswered)
            unused = [record for key, records in self._records.items() for record in records[self._given.get(key, 0) :]]
        if unanswered:
            raise ScriptExhausted(
                f"{len(unanswered)} of {len(self.requests)} requests had no record; the first: {unanswered[0]}"
            )
        if unused:
            raise ScriptExhausted(f"{len(unused)} records were not used; the first of them: {_named(unused[0])}")


class ReplayingToolCaller:
    """A ReplayingModel to which tools are offered: a ToolCaller."""

    def __init__(self, model: ReplayingModel) -> None:
        self._model = model

    async def complete(self, messages: Sequence[Message], rounds: Sequence[ToolRound]) -> Completion:
        return self.complete_sync(messages, rounds)

    def complete_sync(self, messages: Sequence[Message], rounds: Sequence[ToolRound]) -> Completion:
        return self._model.complete_sync(as_messages(messages, rounds))


def _no_record(request: Sequence[Message], records: Sequence[Record]) -> str:
    role = "sub" if is_sub_call(request) else "root"
    asked = request[-1].content if role == "sub" else question_of(request)
    turn = "" if role == "sub" else f" at turn {sum(message.role == 'assistant' for message in request)}"
    nearest = max(
        (record for record in records if record.role == role), key=lambda record: _likeness(record, asked), default=None
    )
    near = f"The nearest record: {_named(nearest)}" if nearest else f"No {role} reply is recorded."
    return f"no recorded {role} reply for this request{turn}. Its last message was:\n{shown(request)}\n{near}"


def _likeness(record: Record, asked: str) -> float:
    return SequenceMatcher(
        None, record.head[:_COMPARED_CHARS], asked[: len(record.head[:_COMPARED_CHARS])], autojunk=False
    ).ratio()


def _named(record: Record) -> str:
    if isinstance(record, RootRecord):
        return f"root, turn {record.turn} of the question {record.question[:_COMPARED_CHARS]!r}"
    return f"sub-call, prompt {record.head[:_COMPARED_CHARS]!r}"
