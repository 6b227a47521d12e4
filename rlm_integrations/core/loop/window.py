"""What is known of the root LM's window, and how much of it a conversation fills. Pure."""

from __future__ import annotations

from typing import NamedTuple

_CHARS_PER_TOKEN = 4.0
_MOST_CHARS_PER_TOKEN = 8.0
"""A server that counts fewer tokens did not count all of the prompt: it has a cache, or gives a constant."""


class Window(NamedTuple):
    """Of one run: what the model, its user and its server say, and how the server counted the last prompt."""

    tokens: int | None = None
    """As the model or the user says; less where the server read no more. None where nobody knows."""
    refused_chars: int | None = None
    """Characters of the shortest prompt that was refused as too long."""
    sent_chars: int = 0
    """Of the last prompt that the server counted, and the tokens that it counted."""
    sent_tokens: int = 0

    @property
    def known(self) -> bool:
        return self.tokens is not None or self.refused_chars is not None

    @property
    def chars(self) -> int:
        """About how many characters fill it; 0 where nothing is known of it."""
        told = None if self.tokens is None else int(self.tokens * self._chars_per_token)
        return min([chars for chars in (told, self.refused_chars) if chars is not None], default=0)

    def share(self, chars: int) -> float:
        """How much of it a prompt of so many characters fills, as far as is known."""
        by_tokens = self._tokens(chars) / self.tokens if self.tokens else 0.0
        return max(by_tokens, chars / self.refused_chars if self.refused_chars else 0.0)

    def counted(self, chars: int, tokens: int) -> Window:
        """The server counted so many tokens of a prompt of so many characters. A count that cannot be is none."""
        if not tokens or chars > tokens * _MOST_CHARS_PER_TOKEN:
            return self
        return self._replace(sent_chars=chars, sent_tokens=tokens)

    def refused(self, chars: int) -> Window:
        """A prompt of so many characters was too long."""
        return self._replace(refused_chars=min(chars, self.refused_chars or chars))

    def read(self, tokens: int) -> Window:
        """The server read no more tokens of a longer prompt."""
        return self._replace(tokens=min(tokens, self.tokens or tokens))

    def _tokens(self, chars: int) -> float:
        """What was said since the last count may be of another kind: of it a token has four characters at most."""
        if chars <= self.sent_chars or not self.sent_tokens:
            return chars / self._chars_per_token
        return self.sent_tokens + (chars - self.sent_chars) / min(self._chars_per_token, _CHARS_PER_TOKEN)

    @property
    def _chars_per_token(self) -> float:
        return self.sent_chars / self.sent_tokens if self.sent_tokens and self.sent_chars else _CHARS_PER_TOKEN
