"""Which documents' own text stands in a text that a model read, and what part of them."""

from __future__ import annotations

from bisect import bisect_right
from collections import ChainMap
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.trace.anchors import ANCHOR_CHARS, AnchorIndex
from rlm_integrations.core.trace.heads import FoundLine, Head, found_lines_in, heads_in
from rlm_integrations.frozen import frozen

STRETCH_CHARS = 48
"""So much of a document, or all of a shorter one, is told apart from what others may have written."""
_SCANNED_CHARS = 8_000_000
"""What is scanned, of all texts of a run, in search of anchors: a second. What stands in a document is not counted."""
_CHANCE_CHARS = STRETCH_CHARS
"""So much beside what another document holds as well may be the words of a prompt that this one happens to have too."""
_JUDGED_CHARS, _LETTERS = 256, 8
"""A rule of dashes is nobody's own text: letters and digits are, so many in some characters of a stretch."""
_COMPARED = 6
"""Characters for each of a text that are compared with documents below its heads."""
_SPACES = 4
_FIRST_COMPARED, _MOST_COMPARED = 64, 1 << 16


@frozen
class Place:
    """`document.text[start:end]` was sent or printed. Empty where the document holds it in several places."""

    document_id: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, eq=False)
class _Stretch:
    """`text[start:end]` is the document's own text, where it begins at `at`."""

    start: int
    end: int
    document: Document
    at: int
    once: bool = True

    @property
    def place(self) -> Place:
        if not self.once:
            return Place(self.document.id, 0, 0)
        return Place(self.document.id, self.at, self.at + self.end - self.start)


class OwnTextFinder:
    """Finds stretches of the documents of one run.

    A stretch that several documents hold is of none of them, unless it stands below a line that names one. Such a line
    does not count where it is part of another document's own text.
    """

    def __init__(self, corpus: Corpus, index: AnchorIndex, retrieved: Sequence[Document], asked: str) -> None:
        """`index` is that of `corpus.shared`. What the question says itself tells nothing of what was read."""
        brought = 0 if corpus.shared is corpus else len(corpus.brought)
        self._shared = corpus.documents[brought:]
        self._added = [*corpus.documents[:brought], *retrieved]
        self._by_id = ChainMap(corpus.by_id, {document.id: document for document in retrieved})
        self._index = index
        self._added_index = AnchorIndex(self._added, index.choice if self._shared else None)
        self._choice = index.choice if self._shared else self._added_index.choice
        self._too_large = index.too_large or self._added_index.too_large
        self._asked: Collection[int] = () if self._too_large else {key for _, key in self._choice.anchors(asked)}
        self._reached: dict[str, int] = {}
        """How far into each document the last part below its head reached: the next one begins there."""
        self._searchable = index.chars + self._added_index.chars
        self._scanned = self._compared = 0
        self.looked_at = len(asked) + self._added_index.chars
        """Characters: how much work it was."""

    def places_in(self, text: str) -> list[Place]:
        """In the order in which they stand there."""
        stretches = [] if self._too_large else self._told_apart(text)
        named = [*self._below_heads(text, stretches), *self._found_lines(text, stretches)]
        if named:
            stretches = sorted([*stretches, *named], key=lambda stretch: stretch.start)
        return [stretch.place for stretch in stretches]

    # -- by text that one document alone holds

    def _told_apart(self, text: str) -> list[_Stretch]:
        stretches: list[_Stretch] = []
        at = floor = 0
        while at is not None and self._scanned < _SCANNED_CHARS:
            at, floor = self._next_stretch(text, at, floor, stretches)
        return stretches

    def _next_stretch(self, text: str, begin: int, floor: int, stretches: list[_Stretch]) -> tuple[int | None, int]:
        """Add the first stretch at or after `begin`. Gives where to go on, and how far back the next may reach."""
        stop = begin + _SCANNED_CHARS - self._scanned
        shared, added, asked = self._index.keys, self._added_index.keys, self._asked
        for at, key in self._choice.anchors(text, begin, stop):
            if key in asked or (key in shared) == (key in added):
                continue
            known = self._document_of(key)
            if known is None:
                continue
            document, place, once = known
            stretch = self._grown(text, at, document, place, floor if once else at, once)
            if stretch is None:
                continue
            if self._is_worded(text, stretch) and self._is_its_own(text, stretch):
                while once and stretches and stretches[-1].start >= stretch.start:
                    stretches.pop()  # it stood in several places of a document, and this says in which
                stretches.append(stretch)
            self._looked(at + 1 - begin)
            go_on = max(at + 1, stretch.end - ANCHOR_CHARS + 1)
            return go_on, go_on if once else floor
        self._looked(min(stop, len(text)) - begin)
        return None, floor

    def _looked(self, chars: int) -> None:
        self._scanned += chars
        self.looked_at += chars

    def _document_of(self, key: int) -> tuple[Document, int, bool] | None:
        of_added = key in self._added_index.keys
        place = (self._added_index if of_added else self._index).place_of(key)
        return None if place is None else ((self._added if of_added else self._shared)[place[0]], *place[1:])

    def _grown(
        self, text: str, at: int, document: Document, place: int, floor: int, once: bool = True
    ) -> _Stretch | None:
        """The whole stretch around a place, back to `floor` at most; None where it is too short."""
        after = self._alike(text, at, document.text, place, 1, len(text))
        if not after:
            return None
        before = self._alike(text, at, document.text, place, -1, at - floor)
        start, end = at - before, at + after
        if end - start < min(STRETCH_CHARS, len(document.text)):
            return None
        return _Stretch(start, end, document, place - before, once)

    def _is_worded(self, text: str, stretch: _Stretch) -> bool:
        for start in range(stretch.start, stretch.end, _JUDGED_CHARS):
            self._compare(_JUDGED_CHARS)
            if sum(map(str.isalnum, text[start : min(stretch.end, start + _JUDGED_CHARS)])) >= _LETTERS:
                return True
        return False

    def _is_its_own(self, text: str, stretch: _Stretch) -> bool:
        """Whether more tells it apart than some characters before or after what several documents hold.

        Where a letter quotes a report, the report and a line break after it stand in the letter alone; who was sent the
        report, with a question below it, has not read the letter. The ends of the document itself are no chance.
        """
        start, end = stretch.start, stretch.start + len(text[stretch.start : stretch.end].rstrip())
        own, after = stretch.document.text, stretch.at + stretch.end - stretch.start
        if own[: min(stretch.at, _CHANCE_CHARS)].strip():
            start += _CHANCE_CHARS
        if own[after : after + _CHANCE_CHARS].strip():
            end = stretch.end - _CHANCE_CHARS
        shared = told_apart = False
        self.looked_at += stretch.end - stretch.start
        for at, key in self._choice.anchors(text, stretch.start, stretch.end):
            if (key in self._index.keys) == (key in self._added_index.keys) or self._document_of(key) is None:
                shared = True
                if told_apart:
                    return True
            elif key not in self._asked and (shared or start <= at):
                if at + ANCHOR_CHARS <= end:
                    return True
                told_apart = True
        return not shared

    def _compare(self, chars: int) -> None:
        self._compared += chars
        self.looked_at += chars

    def _alike(self, one: str, at: int, other: str, place: int, way: int, most: int) -> int:
        """How many characters, up to `most`, are the same from there on (way 1), or before it (way -1)."""
        most = min(most, len(one) - at, len(other) - place) if way > 0 else min(most, at, place)
        alike, step, growing = 0, _FIRST_COMPARED, True
        while alike < most and step:
            size = min(step, most - alike)
            a, b = (at + alike, place + alike) if way > 0 else (at - alike - size, place - alike - size)
            self._compare(size)
            if one[a : a + size] == other[b : b + size]:
                alike += size
                step = min(2 * step, _MOST_COMPARED) if growing else step // 2
            else:
                step, growing = 1 << (size - 1).bit_length() >> 1, False
        return alike

    # -- by what stands below a line that names a document

    def _below_heads(self, text: str, stretches: list[_Stretch]) -> list[_Stretch]:
        """Takes those away that are no more than what stands below a head."""
        found: list[_Stretch] = []
        refuted: set[_Stretch] = set()
        starts = [stretch.start for stretch in stretches]
        self.looked_at += len(text)
        most = self._compared + _COMPARED * len(text)
        for head in heads_in(text):
            if self._compared > most:  # heads that stand in what stands below others
                break
            quoting, told = (_around(at, stretches, starts) for at in (head.start, head.body))
            if quoting is not None and _begins_before(text, quoting, head):
                continue
            if told is not None and told.document.id in head.ids:
                self._reached[told.document.id] = told.place.end
                continue
            documents = (self._by_id[name] for name in head.ids if name in self._by_id)
            stretch = next(filter(None, (self._at_head(text, head.body, document) for document in documents)), None)
            if stretch is None or (quoting is not None and text[stretch.end : quoting.end].strip()):
                continue
            refuted |= {other for other in (quoting, told) if other and not text[stretch.end : other.end].strip()}
            self._reached[stretch.document.id] = stretch.place.end
            found.append(stretch)
        if refuted:
            stretches[:] = [stretch for stretch in stretches if stretch not in refuted]
        return found

    def _at_head(self, text: str, body: int, document: Document) -> _Stretch | None:
        """The part of the document that begins there: at its beginning, where the last one ended, or elsewhere."""
        whole = document.text
        if len(whole) < STRETCH_CHARS:
            if not whole.strip():
                return None
            end = body + len(whole)
            ends = text[end : end + 1].strip() == ""
            return _Stretch(body, end, document, 0) if ends and text.startswith(whole, body) else None
        probe = text[body : body + STRETCH_CHARS]
        if len(probe) < STRETCH_CHARS:
            return None
        places = (0, self._reached.get(document.id, 0))
        place = next((place for place in places if whole.startswith(probe, place)), None)
        if place is None:
            if self._searchable < len(whole):
                return None
            self._searchable -= len(whole)
            self.looked_at += len(whole)
            place = whole.find(probe)
        stretch = None if place < 0 else self._grown(text, body, document, place, body)
        return stretch if stretch is not None and self._is_worded(text, stretch) else None

    def _found_lines(self, text: str, stretches: Sequence[_Stretch]) -> list[_Stretch]:
        starts = [stretch.start for stretch in stretches]
        self.looked_at += len(text)
        lines = (
            line
            for line in found_lines_in(text)
            if _around(line.start, stretches, starts) is None and _around(line.body, stretches, starts) is None
        )
        return [stretch for line in lines if (stretch := self._of_line(line)) is not None]

    def _of_line(self, line: FoundLine) -> _Stretch | None:
        """The printed line, if the document holds it beside the place that was printed with it.

        Any text may hold "a.txt@9: The", so it must be a whole line there, or a long part of one.
        """
        document = self._by_id.get(line.id)
        if document is None or line.at >= len(document.text):
            return None
        if (line.cut_before or line.cut_after) and len(line.line) < STRETCH_CHARS:
            return None
        room = max(line.shown_chars, len(line.line)) + STRETCH_CHARS
        self.looked_at += 2 * room
        at = _line_at(document.text, max(0, line.at - room), line.at + room, line)
        if at is None:
            return None
        end = max(at + len(line.line), line.at + 1)
        at = min(at, line.at)
        return _Stretch(line.body, line.body + end - at, document, at)


def _line_at(text: str, start: int, stop: int, printed: FoundLine) -> int | None:
    """Where the printed line stands in that part of the text, whose first and last lines may themselves be cut."""
    lines = text[start:stop].splitlines(keepends=True)
    at, sought = start, printed.line
    for number, whole in enumerate(lines):
        begins = printed.cut_before or (number > 0 or start == 0)
        ends = printed.cut_after or (number < len(lines) - 1 or stop >= len(text))
        find = whole.find if printed.cut_after else whole.rfind
        found = find(sought) if begins and ends else -1
        if found >= 0:
            before, after = whole[:found].strip(), whole[found + len(sought) :].strip()
            if (printed.cut_before or not before) and (printed.cut_after or after in ("", ")")):  # of "Match(...)"
                return at + found
        at += len(whole)
    return None


def _around(at: int, stretches: Sequence[_Stretch], starts: Sequence[int]) -> _Stretch | None:
    number = bisect_right(starts, at) - 1
    return stretches[number] if number >= 0 and at < stretches[number].end else None


def _begins_before(text: str, stretch: _Stretch, head: Head) -> bool:
    """Whether more of it than white space stands before the head."""
    return head.start - stretch.start > _SPACES or text[stretch.start : head.start].strip() != ""
