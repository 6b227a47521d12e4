"""What a step has shown of the corpus already, so that searches that overlap show a passage once."""

from __future__ import annotations

from rlm_integrations.repl.matches import Match, Matches, indented, printed_form

_SHOWN = "(shown above)"
_LEAST_CHARS = 40
"""Fewer are shown again rather than pointed at."""

_Span = tuple[int, int]


class ShownPassages:
    """The spans of texts that the step has printed where no cut can reach them."""

    def __init__(self) -> None:
        self._spans: dict[tuple[str, int], tuple[str, list[_Span]]] = {}
        """By the id of a document and the identity of its text: that text, which so stays alive, and its spans."""

    def begin_step(self) -> None:
        self._spans.clear()

    def printed(self, matches: Matches, room: int) -> str:
        """The matches as they print, without what stands above already.

        What this shows counts as shown from now on if all of it fits into `room` characters.
        """
        written: list[Match] = []
        text = matches.written(self._form, written.extend)
        if len(text) <= room:
            for match in written:
                self._add(match)
        return text

    def _form(self, match: Match) -> str:
        begin, stop = match.window
        unseen = self._unseen(match)
        if unseen == [(begin, stop)]:
            return printed_form(match)
        text = match.passage.text
        if not any(text[first:last].strip() for first, last in unseen):
            return f" {_SHOWN}"
        lines: list[str] = []
        for first, last in unseen:
            lines += [_SHOWN] * (first > begin)
            lines += text[first:last].splitlines()
            begin = last
        return indented([*lines, *[_SHOWN] * (begin < stop)])

    def _unseen(self, match: Match) -> list[_Span]:
        """The match's window without the spans in it that were shown."""
        begin, stop = match.window
        _, spans = self._spans.get(_key(match), ("", ()))
        unseen: list[_Span] = []
        for first, last in spans if match.shown_whole else ():
            first, last = max(first, begin), min(last, stop)
            if last - first >= _LEAST_CHARS:
                unseen += [(begin, first)] * (begin < first)
                begin = last
        return [*unseen, *[(begin, stop)] * (begin < stop)]

    def _add(self, match: Match) -> None:
        if match.shown_whole:
            _, spans = self._spans.setdefault(_key(match), (match.passage.text, []))
            spans.append(match.window)
            spans.sort()


def _key(match: Match) -> tuple[str, int]:
    return match.id, id(match.passage.text)
