"""What the root LM sees of a session's earlier questions: they and their answers, as messages, so far as they fit."""

from __future__ import annotations

from collections import deque

from rlm_integrations.core.language_model import Message
from rlm_integrations.core.wording import shortened

_QUESTION_CHARS = 1_000
_ANSWER_CHARS = 4_000
_CHARS = 20_000
"""Of all together: older ones are left out."""


class Transcript:
    """Holds what it shows, and nothing else."""

    def __init__(self) -> None:
        self._exchanges: deque[tuple[Message, Message]] = deque()
        self._chars = 0

    def add(self, question: str, answer: str) -> None:
        asked = Message("user", shortened(question, _QUESTION_CHARS))
        answered = Message("assistant", shortened(answer, _ANSWER_CHARS))
        self._exchanges.append((asked, answered))
        self._chars += len(asked.content) + len(answered.content)
        while self._chars > _CHARS:
            left_out = self._exchanges.popleft()
            self._chars -= sum(len(message.content) for message in left_out)

    def messages(self) -> tuple[Message, ...]:
        """The oldest first."""
        return tuple(message for exchange in self._exchanges for message in exchange)
