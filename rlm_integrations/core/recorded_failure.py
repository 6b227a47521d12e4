"""What a call failed with in a run that is replayed."""

from __future__ import annotations


class RecordedFailureError(Exception):
    """What a call had failed with when a run was first made; raised again where that is replayed.

    Args:
        words: The error in one line, as `error_words` gave it.
        too_long: Whether it said that the prompt does not fit.
    """

    def __init__(self, words: str, *, too_long: bool = False) -> None:
        super().__init__(words)
        self.too_long = too_long
