"""Journal: where runs are kept, what of them, and for how long."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import cast

from rlm_integrations.core.errors import InvalidArgumentError


@dataclass(frozen=True, slots=True)
class Journal:
    """A file in which runs keep what they paid for, before they use it: an SQLite database, readable by its owner only.

    The same call, made again after a kill, goes on where it was, in the same process or another one. Made again after
    it has ended, it is answered out of the file.

    Args:
        path: The file, which is made where there is none. Any number of runs and processes may use one at a time, on
            one machine.
        cache_sub_calls: Whether a prompt that another run has sent to the same sub-LM is answered out of the file too.
            Equal prompts of one run stay as many samples.
        contents: False: it keeps hashes and sizes, no text. Such a journal proves what was sent and when; nothing can
            go on from it.
        keep_days: Runs that were last worked on longer ago are deleted, when others begin or end.
        max_mb: Megabytes of the file, beyond which runs are deleted: those that have ended longest ago first, then
            those that were left unfinished. One that is going on is never deleted.

    Raises:
        InvalidArgumentError: A setting cannot be.
    """

    path: str | os.PathLike[str]
    cache_sub_calls: bool = False
    contents: bool = True
    keep_days: float | None = None
    max_mb: float | None = None

    def __post_init__(self) -> None:
        name = os.fspath(self.path) if isinstance(self.path, (str, os.PathLike)) else None  # pyright: ignore[reportUnnecessaryIsInstance]
        if not isinstance(name, str) or not name or "\0" in name:
            raise InvalidArgumentError(f"journal: {self.path!r:.80} is no path; pass the name of a file")
        if self.cache_sub_calls and not self.contents:
            raise InvalidArgumentError(
                "journal: cache_sub_calls=True needs the replies, and contents=False keeps none; leave one of them out"
            )
        for name in ("keep_days", "max_mb"):
            bound = getattr(self, name)
            if bound is not None and (isinstance(bound, bool) or not isinstance(bound, (int, float)) or bound <= 0):
                raise InvalidArgumentError(f"journal: {name} is {bound!r}; pass a number above 0, or leave it out")

    @classmethod
    def of(cls, journal: object) -> Journal | None:
        """What a user passed as `journal`: a path is Journal(path). Raises InvalidArgumentError."""
        if journal is None or isinstance(journal, Journal):
            return journal
        if isinstance(journal, (str, os.PathLike)):
            return cls(os.fspath(cast("str | os.PathLike[str]", journal)))
        given = type(journal).__name__
        raise InvalidArgumentError(f'journal: {given} given; pass the name of a file ("runs.sqlite") or a Journal')

    @property
    def has_bounds(self) -> bool:
        """Whether runs are deleted at some time."""
        return self.keep_days is not None or self.max_mb is not None

    @property
    def file(self) -> str:
        """The absolute path, by which processes mean the same file."""
        return os.path.realpath(os.fspath(self.path))
