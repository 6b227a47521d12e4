"""What the root LM was shown of foreign text, to tell the code that it quotes from the code that it wrote.

A root LM that reports on a hostile document quotes it, and a fenced block in the quotation must not run.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, cached_property
from typing import NamedTuple

from rlm_integrations.core.language_model import Message
from rlm_integrations.core.prompts.fences import fence_tag
from rlm_integrations.core.prompts.texts import all_texts

_FENCE_OPENING = re.compile(
    r"^<(output|document|documents|head|tail|text|draft|check|first|second) (\w{1,32}+)(?:>| id=[^\n]*+)$", re.MULTILINE
)
_ESCAPE = re.compile(r"(?<!\\)\\++(?:(x[0-9a-fA-F]{2}+|u[0-9a-fA-F]{4}+|U[0-9a-fA-F]{8}+)|[abfnrtv])")
"""Of a str literal, or of a literal in one."""
_MARGIN = re.compile(r"[>|\s]*+(?>(?:\d{1,7}+[:.)\]|]*+\s[>|\s]*+)?)")
"""What quoting and numbering put before a line."""
_NOTHING = re.compile(r"""[\s'",\\‘’“”]++""")
_FENCE = re.compile(
    r"(?:`{3,}+|~{3,}+)(?>(?P<repl>[ \t]*+(?>(?:lang(?>(?:uage)?)[-=:])?)\{?+\.?+repl\b\}?+)?)", re.IGNORECASE
)
_COMMENT = re.compile(r"^[>| \t]*+#(?![ \t]*+(?:\.\.\.|…))[^\n]*+$", re.MULTILINE)
_LEFT_OUT = re.compile(r"^[ \t]*+#?+[ \t]*+[\[(<]?+[ \t]*+(?:\.\.\.|…)[^\n]{0,80}+$", re.MULTILINE)
"""A line by which who quotes code says that some of it is left out."""
_QUESTION = "\nQuestion:\n"
"""Below it the first message has the user's words."""
_NOT_FOREIGN = ("Set: ", "The question again: ", "The question was: ")
"""How lines of ours begin that pass on names of the root LM's own, or the question."""
_MOST_LOOKUPS = 100
_MOST_PIECES = 20
_BETWEEN_TEXTS = "\0\n"


def quotable(messages: Iterable[Message]) -> tuple[Message, ...]:
    """Those that may show the root LM text that it quotes code from: whether they do is not looked for in each step."""
    return tuple([message for message in messages if message.role == "user"])


def fenced(messages: Iterable[Message]) -> tuple[Message, ...]:
    """Those of `quotable` messages that a fenced block may be quoted from. They are few."""
    return tuple([message for message in messages if _has_fence(message.content) and any(_fenced_texts(message))])


def as_foreign(text: str, key: bytes) -> Message:
    """What code may be quoted from, of a text that stands in no fence where it is shown."""
    tag = fence_tag(key, text)
    return Message("user", f"<text {tag}>\n{text}\n</text {tag}>")


class Quotations:
    """The foreign text in `quotable` messages, by which a block is known as a quotation.

    Foreign is what stands in the tagged fences (of the corpus, outputs and drafts) and in the messages of errors, and
    of our lines (on ids and metadata, failed calls, results) what stands in none of our texts. The rest is the user's
    or ours: what the system message, a question or a nudge gives as code may be run.

    Args:
        messages: The `quotable` messages.
        with_fences: Those of them that are `fenced`, where that is known.
    """

    def __init__(self, messages: Sequence[Message], with_fences: Sequence[Message] | None = None) -> None:
        self._messages = messages
        self._with_fences = fenced(messages) if with_fences is None else with_fences
        self._looked_up = 0

    def hold(self, block: Sequence[str]) -> bool:
        """Whether the lines of a block, its fences included, stand in what was shown.

        White space, quote marks and line numbers may differ, a line of dots may stand for lines that are left out, and
        it may have been shown as a literal: of a str, or of a list of its lines.
        Where its lines are those that were shown below such a fence, it may end earlier, or with another fence: who
        quotes closes what was cut, or was never closed.
        Beyond a hundred questions the answer is yes: nobody writes so many blocks, and each costs a search.
        """
        if not self._with_fences or not self._shown.any:
            return False
        if self._looked_up >= _MOST_LOOKUPS:
            return True
        pieces = self._pieces("\n".join(block))
        closed = bool(pieces) and pieces[-1].endswith("```\n")
        return (closed and self._joined.hold(map(_joined, pieces))) or self._shown.hold(_without_closing(pieces))

    def hold_code(self, code: str) -> bool:
        """Whether code stands in what was shown, in whatever dress. To be asked where the root LM did not mark it.

        As with blocks, beyond a hundred questions the answer is yes.
        """
        if not self._all_shown.any:
            return False
        if self._looked_up >= _MOST_LOOKUPS:
            return True
        self._looked_up += 1
        return self._all_shown.hold([_joined(_plain(code))])

    def hold_commented(self, code: str) -> bool:
        """As `hold_code`, of a whole block: comments may differ, and lines may be left out, as in `hold`."""
        if not self._all_shown.any:
            return False
        if self.hold_code(code) or self._looked_up >= _MOST_LOOKUPS:
            return True
        return self._uncommented.hold(map(_joined, self._pieces(_COMMENT.sub("", code))))

    def _pieces(self, quoted: str) -> list[str]:
        """What it says, piece by piece, between which lines are left out."""
        pieces = [said for piece in _LEFT_OUT.split(quoted, _MOST_PIECES) if (said := _plain(piece))]
        self._looked_up += max(len(pieces), 1)
        return pieces

    @cached_property
    def _shown(self) -> _Shown:
        """What holds a fence, line by line: few texts do."""
        return _Shown.of((text for message in self._with_fences for text in _fenced_texts(message)), _in_lines)

    @cached_property
    def _joined(self) -> _Shown:
        """The same as one line."""
        return _Shown(_joined(self._shown.foreign), _joined(self._shown.passed_on), _as_one_line)

    @cached_property
    def _all_shown(self) -> _Shown:
        return _Shown.of((text for message in self._messages for text in _texts(message.content)), _as_one_line)

    @cached_property
    def _uncommented(self) -> _Shown:
        return _Shown.of((text for message in self._messages for text in _texts(message.content)), _without_comments)


class _Text(NamedTuple):
    """Text that the root LM was shown."""

    text: str
    passed_on: bool = False
    """Whether these are lines of ours that pass foreign words on, and so hold words of ours as well."""


class _Shown(NamedTuple):
    """All of it, in the form in which it is searched."""

    foreign: str
    passed_on: str
    form: Callable[[str], str]

    @classmethod
    def of(cls, texts: Iterable[_Text], form: Callable[[str], str]) -> _Shown:
        foreign: list[str] = []
        passed_on: list[str] = []
        for text in texts:
            (passed_on if text.passed_on else foreign).append(form(text.text))
        return cls(_BETWEEN_TEXTS.join(foreign), _BETWEEN_TEXTS.join(passed_on), form)

    @property
    def any(self) -> bool:
        return bool(self.foreign or self.passed_on)

    def hold(self, pieces: Iterable[str]) -> bool:
        """Whether all pieces stand there, and none of them only in our own words. Of nothing it is not said."""
        held = False
        for piece in filter(None, pieces):
            held = piece in self.foreign or (piece in self.passed_on and piece not in _ours(self.form))
            if not held:
                return False
        return held


@cache
def _ours(form: Callable[[str], str]) -> str:
    return _BETWEEN_TEXTS.join(map(form, all_texts()))


def _has_fence(text: str) -> bool:
    return "```" in text or "~~~" in text


def _fenced_texts(message: Message) -> Iterator[_Text]:
    if _has_fence(message.content):
        yield from (text for text in _texts(message.content) if _has_fence(text.text))


def _texts(message: str) -> Iterator[_Text]:
    """The parts of a message to the root LM that hold words that neither we nor the user wrote."""
    outside: list[str] = []
    at = 0
    while opening := _FENCE_OPENING.search(message, at):
        closing = message.find(f"\n</{opening[1]} {opening[2]}>", opening.end())
        end = len(message) if closing < 0 else closing
        outside.append(message[at : opening.start()])
        if opening.end() < end:
            yield _Text(message[opening.end() : end])
        at = end
    outside.append(message[at:])
    own = "".join(outside)
    if not message.startswith("Step "):
        above, question, _ = own.partition(_QUESTION)
        if question and above:
            yield _Text(above, passed_on=True)
        return
    # an observation: an error's text begins in its first line and is indented below
    lines = own.split("\n")
    raised = {at - 1 for at, line in enumerate(lines) if line.startswith("  (")}  # the line of the root LM that did
    said = [line for at, line in enumerate(lines) if line.startswith(("Error", "    ")) and at not in raised]
    if said:
        yield _Text("\n".join(said))
    others = [line for line in lines if not line.startswith(("Error", "    ", *_NOT_FOREIGN))]
    yield _Text("\n".join(others), passed_on=True)


def _without_closing(pieces: list[str]) -> list[str]:
    """The pieces of a block as lines of a text, without the fence that closes it; none where that leaves no code."""
    *others, last = pieces or [""]
    lines = [f"\n{piece}" for piece in (*others, last.removesuffix("```\n")) if piece]
    return lines if sum([line.count("\n") - 1 for line in lines]) > 1 else []


def _in_lines(text: str) -> str:
    return "\n" + _plain(text)


def _as_one_line(text: str) -> str:
    return _joined(_plain(text))


def _without_comments(text: str) -> str:
    return _as_one_line(_COMMENT.sub("", text))


def _joined(plain: str) -> str:
    return plain.replace("\n", "")


def _plain(text: str) -> str:
    """What the text says, line by line, without what printing and quoting add to it or take from it.

    Line numbers, quote marks and white space go, and of literals the escapes, quotes and commas. Fences are of one
    kind and begin a line; nothing follows one for the REPL on its line.
    """
    read = _ESCAPE.sub(_escaped, text)
    if _has_fence(read):
        read = _FENCE.sub(lambda fence: "\n```repl\n" if fence["repl"] else "\n```", read)
    said = (_NOTHING.sub("", line[_MARGIN.match(line).end() :]) for line in read.splitlines())  # type: ignore[union-attr]
    printed = (line if line.isprintable() else "".join(filter(str.isprintable, line)) for line in said)
    return "".join([f"{line}\n" for line in printed if line])


def _escaped(escape: re.Match[str]) -> str:
    """The character that an escape stands for. Those that `_plain` drops need not be told apart."""
    if escape[1] is None:
        return "\n"
    code = int(escape[1][1:], 16)
    return chr(code) if code <= sys.maxunicode else ""
