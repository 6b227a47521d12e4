"""The messages of a conversation that grows, at a cost that does not grow with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import final, overload

from rlm_integrations.core.language_model import Message


@final
class Messages(Sequence[Message]):
    """What was said so far. It never changes: `saying` gives another one, which shares what both begin with.

    A tuple would be copied with each message, and each copy touches all of them. Not for two threads that let one go on
    at the same moment.
    """

    __slots__ = ("_count", "_shared", "chars", "images")

    def __init__(self, messages: Iterable[Message] = ()) -> None:
        self._shared = [*messages]
        """Of these the first `_count` are this one's. It only grows, at its end."""
        self._count = len(self._shared)
        self.chars = sum([len(message.content) for message in self._shared])
        """Characters of all messages."""
        self.images = sum([len(message.images) for message in self._shared])
        """How many pictures go with them."""

    def saying(self, *more: Message) -> Messages:
        """The same with these at its end."""
        if not more:
            return self
        longer = Messages.__new__(Messages)
        # One without messages shares nothing: as the default of many runs it would keep what one of them says.
        whole = len(self._shared) == self._count > 0
        longer._shared = self._shared if whole else self._shared[: self._count]
        longer._shared += more
        longer._count = self._count + len(more)
        longer.chars, longer.images = self.chars, self.images
        for message in more:
            longer.chars += len(message.content)
            longer.images += len(message.images)
        return longer

    def goes_on_from(self, other: Messages) -> bool:
        """Whether it is known to begin with all of the other. Takes no longer for many."""
        return self._shared is other._shared and self._count >= other._count > 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Message]:
        return islice(self._shared, self._count)

    @overload
    def __getitem__(self, place: int) -> Message: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Message, ...]: ...
    def __getitem__(self, place: int | slice) -> Message | tuple[Message, ...]:
        if isinstance(place, slice):
            return tuple([self._shared[at] for at in range(*place.indices(self._count))])
        return self._shared[range(self._count)[place]]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Messages):
            return tuple(self) == tuple(other)
        return tuple(self) == other if isinstance(other, tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"Messages({[*self]})"
