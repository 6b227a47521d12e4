"""`[n]` in an answer, where it rests on the n-th source. Pure, in time that grows with the answer and the citations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path

from rlm_integrations.core.trace.citations import Citation
from rlm_integrations.llama_index.prefixes import Prefixes

_OPEN, _CLOSE = "[[", "]]"
"""Around what `cite` returned, where the root LM put it into the answer as a mark."""
_SEARCHED_CHARS = 12
"""A shorter quote ("1874") stands in many a sentence that it does not support."""
_WORD = re.compile(r"\S++")
_QUOTE_START = re.compile(r"(?<!\w)\S")
_CLOSING = "\"'”’»`"
_CLOSING_CHARS = 4
"""So many quotation marks may close a quote."""
_LOOKED_AT, _LOOKED_AT_ANYWAY = 16, 100_000
"""Characters, for each of an answer, and of how long a one at least, that are looked at in search of citations."""

_Part = str | int
"""Of an answer: text, or the number of a source."""


@cache
def inline_instructions() -> str:
    """What the root LM is told where marks are asked for."""
    return Path(__file__).with_name("inline_citations.md").read_text(encoding="utf-8").rstrip("\n")


def mark_citations(text: str, citations: Sequence[Citation], sources: Sequence[Sequence[int]]) -> str:
    """The text with the numbers of each citation's sources: "In May [1], or in June [2][3]."

    `sources` are the numbers for each citation, from 1; one without any gets no mark. A mark stands where the root LM
    put what `cite` returned in double brackets (several citations of the same words: in their order), else after the
    quote where the text repeats it, else at the end of the text.
    """
    forms: dict[str, list[int]] = {}
    for number, citation in enumerate(citations):
        forms.setdefault(f"{_OPEN}{citation.cited_text}{_CLOSE}", []).append(number)
    parts, placed = _replace_forms(text, forms, sources)
    waiting: dict[str, list[int]] = {}
    for number, citation in enumerate(citations):
        quote = " ".join(citation.cited_text.split())
        if number not in placed and sources[number] and len(quote) >= _SEARCHED_CHARS:
            waiting.setdefault(quote, []).append(number)
    if waiting:
        parts = _mark_quotes(parts, waiting, sources, placed)
    return _written(parts, [mark for n, marks in enumerate(sources) if n not in placed for mark in marks])


def _replace_forms(
    text: str, forms: dict[str, list[int]], sources: Sequence[Sequence[int]]
) -> tuple[list[_Part], set[int]]:
    """The text with marks where bracketed quotes stood, and the numbers of their citations."""
    prefixes = Prefixes(forms, _most_looked_at(len(text)))
    waiting = {form: iter(numbers) for form, numbers in forms.items()}
    latest = {form: numbers[0] for form, numbers in forms.items()}
    parts: list[_Part] = []
    placed: set[int] = set()
    done = at = 0
    while (at := text.find(_OPEN, at)) >= 0:
        form = next(prefixes.at(text, at), None)
        if form is None:
            at += 1
            continue
        number = latest[form] = next(waiting[form], latest[form])
        placed.add(number)
        start, end = at, at + len(form)
        if start > done and text[start - 1] == "(" and text.startswith(")", end):
            start, end = start - 1, end + 1
        if start > done:
            parts.append(text[done:start])
        marks = sources[number]
        _space_apart(parts, bool(marks))
        parts += marks
        done = at = end
    return _joined([*parts, text[done:]]), placed


def _joined(parts: Iterable[_Part]) -> list[_Part]:
    """The parts, texts that follow each other as one."""
    joined: list[_Part] = []
    for _, group in groupby(parts, lambda part: isinstance(part, str)):
        same = list(group)
        joined += ["".join(map(str, same))] if isinstance(same[0], str) else same
    return joined


def _most_looked_at(chars: int) -> int:
    return _LOOKED_AT * (chars + _LOOKED_AT_ANYWAY)


def _space_apart(parts: list[_Part], marked: bool) -> None:
    """See to the space at the end: one before marks, one less where nothing stands in place of a form."""
    last = parts[-1] if parts else 0
    if not isinstance(last, str):
        return
    if marked and not last[-1].isspace() and last[-1] not in "[(":
        parts.append(" ")
    elif not marked and last[-1].isspace():
        parts.pop()
        parts += filter(None, [last[:-1]])


def _mark_quotes(
    parts: Sequence[_Part], waiting: dict[str, list[int]], sources: Sequence[Sequence[int]], placed: set[int]
) -> list[_Part]:
    """The parts with marks after the first repetition of each quote that waits for one; `placed` grows by those."""
    prefixes = Prefixes(waiting, _most_looked_at(sum(len(part) for part in parts if isinstance(part, str))))
    beginnings = {quote[:_SEARCHED_CHARS] for quote in waiting}
    marked: list[_Part] = []
    for part in parts:
        if isinstance(part, int) or not waiting:
            marked.append(part)
            continue
        done = 0
        found = _quotes_in(part, prefixes, beginnings, waiting)
        for spaced_end, end in _in_unspaced(part, sorted(found)):
            placed.update(found[spaced_end])
            marks = [mark for number in sorted(found[spaced_end]) for mark in sources[number]]
            marked += [part[done:end], " ", *marks]
            done = end
        marked.append(part[done:])
    return marked


def _quotes_in(
    text: str, prefixes: Prefixes, beginnings: set[str], waiting: dict[str, list[int]]
) -> dict[int, list[int]]:
    """Where quotes end that the text repeats, white space aside, and the numbers of their citations.

    They wait no longer. The places are those in the text with single spaces between its words.
    """
    ends: dict[int, list[int]] = {}
    spaced = " ".join(text.split())
    for found in _QUOTE_START.finditer(spaced):
        at = found.start()
        if spaced[at : at + _SEARCHED_CHARS] not in beginnings:
            continue
        for quote in prefixes.at(spaced, at):
            end = at + len(quote)
            if quote in waiting and not _in_word(spaced[end : end + 1]):
                closing = spaced[end : end + _CLOSING_CHARS]
                end += len(closing) - len(closing.lstrip(_CLOSING))
                ends.setdefault(end, []).extend(waiting.pop(quote))
        if not waiting:
            break
    return ends


def _in_unspaced(text: str, ends: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Places, in their order, of the text with single spaces; and where each is in the text as it is."""
    words = ((word.start(), word.end() - word.start()) for word in _WORD.finditer(text))
    begin, (start, chars) = 0, next(words, (0, 0))
    for end in ends:
        while begin + chars < end:
            begin, (start, chars) = begin + chars + 1, next(words)
        yield end, start + end - begin


def _written(parts: Sequence[_Part], unplaced: Sequence[int]) -> str:
    """The parts as text: a mark that follows itself is written once, and the unplaced ones stand at the end."""
    written: list[_Part] = []
    for part in parts:
        if isinstance(part, int) and written[-2:] == [part, " "]:
            written.pop()
        elif part != "" and (isinstance(part, str) or written[-1:] != [part]):
            written.append(part)
    present = {part for part in written if isinstance(part, int)}
    if left := [mark for mark in dict.fromkeys(unplaced) if mark not in present]:
        while written and isinstance(last := written[-1], str):
            written.pop()
            if last.rstrip():
                written.append(last.rstrip())
                break
        written += [" ", *left]
    return "".join(part if isinstance(part, str) else f"[{part}]" for part in written)


def _in_word(char: str) -> bool:
    return char.isalnum() or char == "_"
