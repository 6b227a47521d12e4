"""`llm_reduce`: one instruction for a text of any length: read in parts, and the notes joined to a page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rlm_integrations.repl.asked_map import check_instruction
from rlm_integrations.repl.awaitable_replies import Awaiting
from rlm_integrations.repl.chunks import pack
from rlm_integrations.repl.corpus_view import CorpusView
from rlm_integrations.repl.host_calls import SubCallError, SubCallLimitError
from rlm_integrations.repl.sub_calls import FailedSubCall


def _template(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8").rstrip("\n")


# Read while files can still be read: when this module is imported, before the worker confines itself.
READ, JOIN = _template("llm_reduce_read.md"), _template("llm_reduce_join.md")

PAGE_CHARS = 4_000
"""Longer notes are joined by a sub-call."""
_LEAST_ROOM = 100
_NOTHING = "none"
_BETWEEN = "\n"


class LlmReduce:
    """Holds what the function that the model calls needs."""

    def __init__(
        self,
        ask_all: Callable[[list[str]], list[str]],
        corpus: CorpusView,
        *,
        chunk_chars: int,
        max_chars: int,
        awaiting: Awaiting | None = None,
    ) -> None:
        """`ask_all` does what llm_query_batched does. A prompt has `max_chars`, of which the text is `chunk_chars`."""
        self._awaiting = awaiting or Awaiting()
        self._ask_all, self._corpus = ask_all, corpus
        self._chunk_chars, self._max_chars = chunk_chars, max_chars

    def llm_reduce(self, instruction: str, docs: Any = None) -> str:
        """What other language models find in all the text, or in `docs` (as `chunks` takes them), as one text.

        Each sub-call reads a part, with the instruction above it. Their replies are joined; where they are longer than
        a page of 4,000 characters, by one more sub-call. "" where nothing was found. A part that was not read is named
        at the end.

        Raises SubCallError when all sub-calls failed, SubCallLimitError when the budget is spent, ValueError and
        TypeError before anything is sent, KeyError for an unknown id.
        """
        check_instruction("instruction", instruction)
        frame = max(len(_read(instruction, "")), len(_join(instruction, "")))
        if self._max_chars - frame < _LEAST_ROOM:
            raise ValueError(
                f"instruction has {len(instruction):,} characters, and a sub-call takes {self._max_chars:,} with the "
                "text; nothing was sent; pass the text as docs"
            )
        room = self._max_chars - frame
        parts = pack(self._corpus.pick(docs), min(self._chunk_chars, room), self._corpus.said_columns)
        replies = self._ask_all([_read(instruction, part) for part in parts])
        unread = [(number, reply) for number, reply in enumerate(replies, 1) if isinstance(reply, FailedSubCall)]
        if replies and len(unread) == len(replies):
            raise SubCallError(f"llm_reduce: no part was read: {unread[0][1].error}")
        notes = [reply.strip() for reply in replies if not isinstance(reply, FailedSubCall) and not _is_nothing(reply)]
        found = [self._joined(instruction, notes, room)] if notes else []
        found += [f"[part {number} of {len(parts)} was not read: {reply.error}]" for number, reply in unread]
        return self._awaiting.given(_BETWEEN.join(found))

    def _joined(self, instruction: str, notes: list[str], room: int) -> str:
        """The notes as one text. Where a sub-call that is to join them fails, they stay as they are."""
        while len(whole := _BETWEEN.join(notes)) > PAGE_CHARS:
            packs = _packed(notes, room)
            if len(packs) > len(notes) // 2 and len(packs) > 1:
                break  # each as long as a call takes: joining them would make nothing shorter
            try:
                joined = self._ask_all([_join(instruction, pack) for pack in packs])
            except SubCallLimitError:
                break
            if any(isinstance(reply, FailedSubCall) for reply in joined):
                break
            notes = [reply.strip() for reply in joined]
            if len(notes) == 1:
                return notes[0]
        return whole


def _packed(notes: list[str], room: int) -> list[str]:
    """The notes in as few texts as may be that each fit into the room."""
    packs: list[str] = []
    for note in notes:
        for begin in range(0, len(note), room):
            piece = note[begin : begin + room]
            if packs and len(packs[-1]) + len(_BETWEEN) + len(piece) <= room:
                packs[-1] += _BETWEEN + piece
            else:
                packs.append(piece)
    return packs


def _is_nothing(reply: str) -> bool:
    return reply.strip().strip(".").casefold() == _NOTHING


def _read(instruction: str, text: str) -> str:
    return READ.format(instruction=instruction, text=text)


def _join(instruction: str, notes: str) -> str:
    return JOIN.format(instruction=instruction, notes=notes, chars=f"{PAGE_CHARS:,}")
