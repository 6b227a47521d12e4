"""What typed maps return: a list that knows which of its results are missing, and says so wherever it is printed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rlm_integrations.repl.awaitable_replies import AwaitableList

Name = int | tuple[int, int]
"""What code calls an item by: its index, or those of the two of a pair."""

_LISTED = 12


class MapResults(AwaitableList):
    """The results, with None for each item that has none. Pickled and copied, it is a plain list."""

    __slots__ = ("_again", "_settle", "refused", "unresolved")
    unresolved: dict[Name, str]
    """Why an item has no result."""
    refused: dict[Name, Any]
    """What `check` did not take."""

    def __init__(
        self,
        results: list[Any],
        unresolved: dict[Name, str],
        refused: dict[Name, Any],
        again: Callable[[], tuple[list[Any], dict[Name, str], dict[Name, Any]]],
        settle: Callable[[list[Name]], None],
    ) -> None:
        """`again` asks once more for what is unresolved, and `settle` says what still is."""
        super().__init__(results)
        self.unresolved, self.refused = unresolved, refused
        self._again, self._settle = again, settle

    def drop_unresolved(self) -> MapResults:
        """Go on without what is unresolved: it stays None."""
        self.unresolved = {}
        self._settle([])
        return self

    def ask_again(self) -> MapResults:
        """Ask once more for what is unresolved, and put it in its place."""
        if self.unresolved:
            results, self.unresolved, self.refused = self._again()
            by_hand = [*self, *[None] * (len(results) - len(self))]  # what code put in stays
            self[:] = [hand if new is None else new for new, hand in zip(results, by_hand, strict=False)]
        return self

    def plain(self) -> MapResults:
        return self

    def note(self) -> str:
        """What is missing; "" where nothing is."""
        if not self.unresolved:
            return ""
        names = ", ".join([str(name) for name in self.unresolved][:_LISTED])
        names += ", …" if len(self.unresolved) > _LISTED else ""
        return f"({len(self.unresolved):,} unresolved, so None: {names}; see .unresolved)"

    def __setitem__(self, place: Any, value: Any) -> None:
        super().__setitem__(place, value)
        if isinstance(place, int) and value is not None:
            place += len(self) if place < 0 else 0
            if place in self.unresolved:  # a new dict: code may be going over this one
                self.unresolved = {name: why for name, why in self.unresolved.items() if name != place}
                self._settle(list(self.unresolved))

    def __repr__(self) -> str:
        note = self.note()
        return f"{super().__repr__()} {note}" if note else super().__repr__()


MapResults.__module__ = "builtins"
