"""Replies that were kept: a live evaluation is written down, and replayed without a server."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

from evals.models.simulated import unfenced
from rlm_integrations import Completion, LanguageModel, Message
from rlm_integrations.core.usage import Usage


class Recorded:
    """Asks the model, and writes each reply into a file before it is used."""

    def __init__(self, model: LanguageModel, path: Path) -> None:
        self._model, self._path = model, path
        self.name = str(getattr(model, "name", None) or getattr(model, "model", "model"))
        self.max_input_tokens: int | None = getattr(model, "max_input_tokens", None)
        self.prices: Any = getattr(model, "prices", None)

    async def complete(self, messages: Sequence[Message]) -> Completion:
        completion = await self._model.complete(messages)
        row = {
            "key": key_of(messages),
            "text": completion.text,
            "model": completion.model,
            "finish": completion.finish,
            "usage": completion.usage.model_dump(mode="json"),
        }
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        return completion


class NoRecordError(Exception):
    """The recording holds no reply to what is asked."""


class Replayed:
    """Answers from such a file. Equal requests get their replies in turn, and then the last one again."""

    def __init__(self, path: Path, max_input_tokens: int | None = None) -> None:
        self.name = "replayed"
        self.max_input_tokens = max_input_tokens
        self._replies: dict[str, list[Completion]] = defaultdict(list)
        self._asked: dict[str, int] = defaultdict(int)
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            usage = Usage.model_validate(row["usage"])
            self._replies[row["key"]].append(Completion(row["text"], usage, row["model"], finish=row["finish"]))

    async def complete(self, messages: Sequence[Message]) -> Completion:
        key = key_of(messages)
        replies = self._replies.get(key)
        if not replies:
            raise NoRecordError(f"no reply was kept to the prompt that ends with {messages[-1].content[-80:]!r}")
        place = self._asked[key]
        self._asked[key] += 1
        return replies[min(place, len(replies) - 1)]


def key_of(messages: Sequence[Message]) -> str:
    """The same in every process: tags of fences are left out."""
    said = json.dumps([[message.role, unfenced(message.content)] for message in messages])
    return blake2b(said.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
