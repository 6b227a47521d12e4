"""Methods that read: all texts at once, or part by part."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from rlm_integrations.compare.asking import BYTES_PER_TOKEN, Asker, Models, TooLongError, tokens_of
from rlm_integrations.compare.attempt import Answered
from rlm_integrations.compare.pieces import parts
from rlm_integrations.core.calls.threads import in_thread
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.language_model import Message
from rlm_integrations.core.loop.direct_reply import read_direct
from rlm_integrations.core.prompts.fences import PROCESS_KEY, fence_tag
from rlm_integrations.core.prompts.texts import direct_part
from rlm_integrations.core.run.direct import texts_told
from rlm_integrations.core.run.direct_evidence import proven
from rlm_integrations.core.wording import number, plural

_REPLY_SHARE = 8
"""One part of so many of a window is for the reply."""
_UNKNOWN_WINDOW_TOKENS = 128_000
_PART_CHARS = 100_000
_SURE_TIMES = 4
_NOTHING = "nothing"


@cache
def _prompt(part: str) -> str:
    text = Path(__file__).with_name("prompts.md").read_text(encoding="utf-8")
    found = dict(re.findall(r"^### (\w+)\n(.*?)(?=\n### |\Z)", text, re.MULTILINE | re.DOTALL))
    return found[part].rstrip("\n")


def direct_messages(question: str, corpus: Corpus, fence_key: bytes = PROCESS_KEY) -> tuple[Message, ...]:
    """The question with all of the texts, as a run with `route="auto"` would ask it."""
    example = direct_part("example_str" if corpus.kind == "str" else "example_docs")
    asked = f"{texts_told(corpus, fence_key)}\n\n{direct_part('question', question=question)}"
    return Message("system", direct_part("system", example=example)), Message("user", asked)


async def answered(reply: str, corpus: Corpus, *, truncated: bool = False) -> Answered:
    """The answer of a reply, with those of its quotes that stand in the corpus. Looked for in a thread."""
    evidence = await in_thread(proven, reply, corpus)
    return Answered(read_direct(reply).answer, evidence.citations, truncated)


def room_of(models: Models) -> int:
    """Tokens of the root LM's window that a prompt may have."""
    window = models.window(models.llm) or _UNKNOWN_WINDOW_TOKENS
    return window - window // _REPLY_SHARE


@dataclass(frozen=True)
class Direct:
    """One call of the root LM, with all of the texts.

    `truncate`: what does not fit its window is left out at the end; else nothing is sent then.
    """

    truncate: bool = False

    @property
    def name(self) -> str:
        return "direct, cut to fit" if self.truncate else "direct"

    async def answer(self, question: str, corpus: Corpus, models: Models, asker: Asker) -> Answered:
        """Raises TooLongError where the texts do not fit, and what `Asker.ask` raises."""
        room, tokens = room_of(models), _tokens(corpus)
        if tokens <= _SURE_TIMES * room:  # else it cannot fit, and need not be written
            messages = await in_thread(direct_messages, question, corpus)
            tokens = sum(tokens_of(message.content) for message in messages)
            if tokens <= room:
                return await answered(await asker.ask(messages), corpus)
        if not self.truncate:
            raise TooLongError(f"about {number(tokens)} tokens, and {number(room)} fit")
        left = _beginning(corpus, room - tokens_of(question) - 1_000)
        return await answered(await asker.ask(await in_thread(direct_messages, question, left)), corpus, truncated=True)

    def estimated(self, corpus: Corpus, models: Models) -> tuple[int, int]:
        """About how many calls and input tokens a question takes."""
        tokens = _tokens(corpus)
        if tokens <= room_of(models):
            return 1, tokens
        return (1, room_of(models)) if self.truncate else (0, 0)


@dataclass(frozen=True)
class MapReduce:
    """The sub-LM reads all parts side by side, and takes notes; the root LM answers from the notes."""

    part_chars: int | None = None
    """Of a part. None: 100,000, or what fits the sub-LM's window."""
    name: str = "map-reduce"

    async def answer(self, question: str, corpus: Corpus, models: Models, asker: Asker) -> Answered:
        """Raises what `Asker.ask` raises."""
        texts = await in_thread(parts, corpus, self._size(models))
        read = await asker.ask_all([_map_messages(question, text, n, len(texts)) for n, text in enumerate(texts, 1)])
        notes = [note for note in read if note.strip().strip(".").lower() != _NOTHING]
        most = room_of(models) * BYTES_PER_TOKEN // 2
        while len(notes) > 1 and sum(map(len, notes)) > most:
            groups = _grouped(notes, most)
            if len(groups) == len(notes):
                break
            asked = [_map_messages(question, "\n\n".join(group), n, len(groups)) for n, group in enumerate(groups, 1)]
            notes = await asker.ask_all(asked)
        return await answered(await asker.ask(_reduce_messages(question, notes, corpus)), corpus)

    def estimated(self, corpus: Corpus, models: Models) -> tuple[int, int]:
        """About how many calls and input tokens a question takes."""
        calls = -(-corpus.chars // self._size(models))
        return calls + 1, _tokens(corpus) + calls * 300

    def _size(self, models: Models) -> int:
        window = models.window(models.sub_llm)
        fits = _PART_CHARS if window is None else (window - window // _REPLY_SHARE) * 3 - 2_000
        return max(1_000, min(self.part_chars or _PART_CHARS, fits))


def _map_messages(question: str, text: str, n: int, of: int) -> tuple[Message, ...]:
    tag = fence_tag(PROCESS_KEY, text)
    asked = _prompt("part").format(n=n, parts=of, part=text, question=question, tag=tag)
    return Message("system", _prompt("map")), Message("user", asked)


def _reduce_messages(question: str, notes: list[str], corpus: Corpus) -> tuple[Message, ...]:
    joined = "\n\n".join(notes) or "(nothing was found)"
    example = direct_part("example_str" if corpus.kind == "str" else "example_docs")
    form = direct_part("system", example=example).partition("\n\n")[2]
    tag = fence_tag(PROCESS_KEY, joined)
    asked = _prompt("notes").format(n=plural(len(notes), "part"), notes=joined, question=question, tag=tag)
    return Message("system", f"{_prompt('reduce')}\n\n{form}"), Message("user", asked)


def _grouped(notes: list[str], most: int) -> list[list[str]]:
    groups: list[list[str]] = [[]]
    used = 0
    for note in notes:
        if groups[-1] and used + len(note) > most:
            groups.append([])
            used = 0
        groups[-1].append(note)
        used += len(note)
    return groups


def _beginning(corpus: Corpus, tokens: int) -> Corpus:
    """As many of its documents as have so many tokens, the last of them cut."""
    left = max(0, tokens) * 3  # characters: of most texts a token has more
    kept: list[Document] = []
    for document in corpus.documents:
        if left <= 0:
            break
        kept.append(document if len(document.text) <= left else replace(document, text=document.text[:left]))
        left -= len(document.text) + len(document.id) + 4
    return Corpus(kept, corpus.kind)


def _tokens(corpus: Corpus) -> int:
    return corpus.chars // BYTES_PER_TOKEN
