"""What the root LM was shown of foreign text, to tell the code that it quotes from the code that it wrote.

A root LM that reports on a hostile document quotes it, and a fenced block in the quotation must not run.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from rlm_integrations.core.language_model import Message
from rlm_integrations.core.prompts.fences import fence_tag

_FENCE_OPENING = re.compile(
    r"^<(output|document|documents|head|tail|text|draft|check|first|second) (\w{1,32}+)(?:>| id=[^\n]*+)$", re.MULTILINE
)
_ESCAPE = re.compile(r"(?<!\\)\\++(?:(x[0-9a-fA-F]{2}+|u[0-9a-fA-F]{4}+|U[0-9a-fA-F]{8}+)|[abfnrtv])")
"""Of a str literal, or of a literal in one."""
_MARGIN = re.compile(r"[>|\s]*+(?>(?:\d{1,7}+[:.)\]|]*+\s[>|\s]*+)?)")
"""What quoting and numbering put before a line."""
_NOTHING = re.compile(r"""[\s'",\\‘’“”]++""")
_COMMENT = re.compile(r"^[>| \t]*+#(?![ \t]*+(?:\.\.\.|…))[^\n]*+$", re.MULTILINE)
_LEFT_OUT = re.compile(r"^[ \t]*+#?+[ \t]*+[\[(<]?+[ \t]*+(?:\.\.\.|…)[^\n]{0,80}+$", re.MULTILINE)
"""A line by which who quotes code says that some of it is left out."""
_MOST_LOOKUPS = 100
_MOST_PIECES = 20
_BETWEEN_TEXTS = "\0"


def quotable(messages: Iterable[Message]) -> tuple[Message, ...]:
    """Those that may show the root LM text that it quotes code from: whether they do is not looked for in each step."""
    return tuple([message for message in messages if message.role == "user"])


def fenced(messages: Iterable[Message]) -> tuple[Message, ...]:
    """Those of `quotable` messages that a fenced block may be quoted from. They are few."""
    return tuple([message for message in messages if _has_fence(message.content) and any(_foreign(message.content))])


def as_foreign(text: str, key: bytes) -> Message:
    """What code may be quoted from, of a text that stands in no fence where it is shown."""
    tag = fence_tag(key, text)
    return Message("user", f"<text {tag}>\n{text}\n</text {tag}>")


class Quotations:
    """The foreign text in `quotable` messages, by which a block is known as a quotation.

    Foreign is what stands in the tagged fences (of the corpus, outputs and drafts) and in the messages of errors. The
    rest is the user's or ours: what the system message, a question or a nudge gives as code may be run.

    Args:
        messages: The `quotable` messages.
        with_fences: Those of them that are `fenced`, where that is known.
    """

    def __init__(self, messages: Sequence[Message], with_fences: Sequence[Message] | None = None) -> None:
        self._messages = messages
        self._with_fences = fenced(messages) if with_fences is None else with_fences
        self._looked_up = 0

    def hold(self, block: Sequence[str]) -> bool:
        """Whether the lines of a block, both fences included, stand in what was shown.

        White space, quote marks and line numbers may differ, a line of dots may stand for lines that are left out, and
        it may have been shown as a literal: of a str, or of a list of its lines.
        Beyond a hundred questions the answer is yes: nobody writes so many blocks, and each costs a search.
        """
        if not self._with_fences or not self._shown:
            return False
        return self._stands_in(self._shown, "\n".join(block))

    def hold_code(self, code: str) -> bool:
        """Whether code stands in what was shown, in whatever dress. To be asked where the root LM did not mark it.

        As with blocks, beyond a hundred questions the answer is yes.
        """
        if not self._all_shown:
            return False
        if self._looked_up >= _MOST_LOOKUPS:
            return True
        self._looked_up += 1
        said = _plain(code)
        return bool(said) and said in self._all_shown

    def hold_commented(self, code: str) -> bool:
        """As `hold_code`, of a whole block: comments may differ, and lines may be left out, as in `hold`."""
        if not self._all_shown:
            return False
        return self.hold_code(code) or self._stands_in(self._uncommented, _COMMENT.sub("", code))

    def _stands_in(self, shown: str, quoted: str) -> bool:
        """Whether all pieces of it stand there, between which lines are left out. Of nothing it is not said."""
        if self._looked_up >= _MOST_LOOKUPS:
            return True
        pieces = [said for piece in _LEFT_OUT.split(quoted, _MOST_PIECES) if (said := _plain(piece))]
        self._looked_up += max(len(pieces), 1)
        return bool(pieces) and all(piece in shown for piece in pieces)

    @cached_property
    def _shown(self) -> str:
        """What holds a fence: few texts do."""
        return _BETWEEN_TEXTS.join(map(_plain, filter(_has_fence, _texts(self._with_fences))))

    @cached_property
    def _all_shown(self) -> str:
        return _BETWEEN_TEXTS.join(map(_plain, _texts(self._messages)))

    @cached_property
    def _uncommented(self) -> str:
        return _BETWEEN_TEXTS.join(_plain(_COMMENT.sub("", text)) for text in _texts(self._messages))


def _texts(messages: Iterable[Message]) -> Iterator[str]:
    return (text for message in messages for text in _foreign(message.content) if text)


def _has_fence(text: str) -> bool:
    return "```" in text or "~~~" in text


def _foreign(message: str) -> Iterator[str]:
    """The parts of a message to the root LM that neither we nor the user wrote."""
    outside: list[str] = []
    at = 0
    while opening := _FENCE_OPENING.search(message, at):
        closing = message.find(f"\n</{opening[1]} {opening[2]}>", opening.end())
        end = len(message) if closing < 0 else closing
        outside.append(message[at : opening.start()])
        yield message[opening.end() : end]
        at = end
    outside.append(message[at:])
    if message.startswith("Step "):  # an observation: an error's text begins in its first line and is indented below
        lines = "".join(outside).split("\n")
        own = {at - 1 for at, line in enumerate(lines) if line.startswith("  (")}  # the line of the root LM that raised
        said = (line for at, line in enumerate(lines) if line.startswith(("Error", "    ")) and at not in own)
        yield "\n".join(said)


def _plain(text: str) -> str:
    """What the text says, without what printing and quoting add to it or take from it.

    Line numbers, quote marks and white space go, and of literals the escapes, quotes and commas.
    """
    lines = _ESCAPE.sub(_escaped, text).splitlines()
    said = "".join(_NOTHING.sub("", line[_MARGIN.match(line).end() :]) for line in lines)  # type: ignore[union-attr]
    return said if said.isprintable() else "".join(filter(str.isprintable, said))


def _escaped(escape: re.Match[str]) -> str:
    """The character that an escape stands for. Those that `_plain` drops need not be told apart."""
    if escape[1] is None:
        return "\n"
    code = int(escape[1][1:], 16)
    return chr(code) if code <= sys.maxunicode else ""
