"""What `search` gives: matches with their place, and a list of them that prints well."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any, NamedTuple, SupportsIndex, overload

_LINE_SLACK = 120  # how far a shown line may reach beyond what was asked for
_LISTED_IDS = 12
_ATTRIBUTES = ".id, .start, .end, .text, .groups, .line and .metadata"
_MATCH_CHARS = 1_000  # of each end of a longer match


class Passage(NamedTuple):
    """A text, with the id of its document ("" for a text that is no document) and its metadata."""

    id: str
    text: str
    metadata: Mapping[str, Any] = MappingProxyType({})


class Match:
    """One match: `.id` of its document, `.start` and `.end` (offsets into the document's text), `.text`, `.groups`,
    `.line`, `.metadata` of its document; also `.group(...)` and `m["name"]` as in `re`.
    """

    __slots__ = ("around", "passage", "re_match")

    def __init__(self, passage: Passage, re_match: re.Match[str], around: int = 0) -> None:
        self.passage = passage
        self.re_match = re_match
        self.around = around

    @property
    def id(self) -> str:
        return self.passage.id

    @property
    def start(self) -> int:
        return self.re_match.start()

    @property
    def end(self) -> int:
        return self.re_match.end()

    @property
    def text(self) -> str:
        return self.re_match.group()

    @property
    def groups(self) -> tuple[Any, ...]:
        return self.re_match.groups()

    @property
    def metadata(self) -> Mapping[str, Any]:
        return self.passage.metadata

    @property
    def shown_whole(self) -> bool:
        """Whether `.line` shows all of the match. Of one that is very long it shows the two ends."""
        return self.end - self.start <= 2 * _MATCH_CHARS

    @property
    def line(self) -> str:
        """The match in its line or lines, with `around` characters on both sides; "…" where a line was cut."""
        text = self.passage.text
        begin, stop = self.window
        before = "…" if begin and text[begin - 1] != "\n" else ""
        after = "…" if stop < len(text) and text[stop] != "\n" else ""
        if self.shown_whole:
            return f"{before}{text[begin:stop]}{after}"
        head, tail = text[begin : self.start + _MATCH_CHARS], text[self.end - _MATCH_CHARS : stop]
        return f"{before}{head} … {tail}{after}"

    @property
    def window(self) -> tuple[int, int]:
        """Begin and end of what `.line` shows: whole lines where they are short."""
        text = self.passage.text
        first, last = max(0, self.start - self.around), min(len(text), self.end + self.around)
        lowest, highest = max(0, first - _LINE_SLACK), min(len(text), last + _LINE_SLACK)
        begin, stop = text.rfind("\n", lowest, first) + 1, text.find("\n", last, highest)
        if not begin:
            begin = first if self.around and lowest else lowest
        if stop < 0:
            stop = last if self.around and highest < len(text) else highest
        return begin, stop

    def with_around(self, least: int) -> Match:
        """The same match, whose `.line` shows at least so many characters on both sides."""
        return Match(self.passage, self.re_match, max(least, self.around))

    def group(self, *names: int | str) -> Any:
        return self.re_match.group(*names)

    def span(self) -> tuple[int, int]:
        return self.re_match.span()

    def groupdict(self) -> dict[str, Any]:
        return self.re_match.groupdict()

    def __getitem__(self, name: int | str) -> Any:
        try:
            return self.re_match[name]
        except IndexError:
            raise IndexError(f"no group {name!r:.100}; a match is no dict: it has {_ATTRIBUTES}") from None

    def __repr__(self) -> str:
        return f"Match({self.id}@{self.start}: {self.line.strip()})"


class Matches(list[Match]):
    """The matches that were kept. `.total` counts all there were; printed, they end with it.

    Printed, they keep within `printed_chars`, so that what a step shows still holds the total.
    """

    def __init__(self, printed_chars: int) -> None:
        super().__init__()
        self.printed_chars = printed_chars
        self.total = 0
        self.found_in = 0
        """Documents with a match."""
        self.searched = 0
        """Documents searched."""
        self._from_start = True

    @classmethod
    def of(cls, matches: Iterable[Any], printed_chars: int) -> Matches:
        """Matches out of an earlier search, to be printed in the same way."""
        some = cls(printed_chars)
        some.extend(matches)
        some.total, some.searched = len(some), 1
        return some

    @overload
    def __getitem__(self, key: SupportsIndex, /) -> Match: ...
    @overload
    def __getitem__(self, key: slice, /) -> Matches: ...
    def __getitem__(self, key: SupportsIndex | slice, /) -> Match | Matches:
        if not isinstance(key, slice):
            return super().__getitem__(key)
        part = Matches(self.printed_chars)
        part.extend(super().__getitem__(key))
        part.total, part.found_in, part.searched = self.total, self.found_in, self.searched
        part._from_start = self._from_start and not key.start and key.step in (None, 1)
        return part

    def __repr__(self) -> str:
        return PrintedMatches(self)

    __str__ = __repr__

    def written(
        self, form: Callable[[Match], str], tell: Callable[[list[Match]], object] = lambda matches: None
    ) -> str:
        """One entry for each match, `id@position: line`; one inside what is already shown joins it.

        Args:
            form: What stands behind the place of a match.
            tell: Gets the matches of each entry that there was room for.
        """
        lines: list[str] = []
        room, left = self.printed_chars, len(self)
        for matches in _joined(self):
            first = matches[0]
            entry = f"{first.id}@{', '.join(str(match.start) for match in matches)}:{form(first)}"
            if lines and len(entry) > room:
                where = f", {_whereabouts(self[-left:])}" if first.id else ""
                lines.append(f"… {left:,} more, not shown{where}")
                break
            lines.append(entry)
            tell(matches[:1])
            room, left = room - len(entry), left - len(matches)
        return "\n".join([*lines, self._summary()])

    def _summary(self) -> str:
        matches = "1 match" if self.total == 1 else f"{self.total:,} matches" if self.total else "no match"
        if len(self) < self.total:
            matches = f"{'first ' if self._from_start and len(self) else ''}{len(self):,} of {matches}"
        if self.searched == 1:
            return f"({matches})"
        where = f"{self.found_in:,} of {self.searched:,}" if self.total else f"{self.searched:,}"
        return f"({matches} in {where} documents)"


class PrintedMatches(str):
    """The text of matches, which still knows them: so the output can leave out what stands in it already."""

    matches: Matches

    def __new__(cls, matches: Matches) -> PrintedMatches:
        text = super().__new__(cls, matches.written(printed_form))
        text.matches = matches
        return text


def _whereabouts(matches: Iterable[Match]) -> str:
    """Where matches are that there was no room for: "in min-2021-06 (3), tr-2022 (1)"."""
    counts = Counter(match.id for match in matches)
    listed = [f"{id_} ({count:,})" for id_, count in islice(counts.items(), _LISTED_IDS)]
    more = f" and {len(counts) - _LISTED_IDS:,} documents more" if len(counts) > _LISTED_IDS else ""
    return f"in {', '.join(listed)}{more}"


def _joined(matches: Iterable[Match]) -> Iterator[list[Match]]:
    """The matches, those that an earlier one's window already shows together with it."""
    group: list[Match] = []
    for match in matches:
        if group and not _shows(group[0], match):
            yield group
            group = []
        group.append(match)
    if group:
        yield group


def _shows(shown: Match, match: Match) -> bool:
    if shown.passage is not match.passage and shown.passage != match.passage:
        return False
    begin, stop = shown.window
    return begin <= match.start and match.end <= stop and shown.shown_whole


def printed_form(match: Match) -> str:
    """What stands behind the place of a match where it is printed."""
    line = match.line
    if match.around or len(line.strip().splitlines()) > 1:  # at a line end of any kind a text could pass for a match
        return indented(line.splitlines())
    return f" {line.strip()}"


def indented(lines: Iterable[str]) -> str:
    """The lines below a match's place, where none of them can pass for a match."""
    return "".join(f"\n  {line.rstrip()}" for line in lines if line.strip())
