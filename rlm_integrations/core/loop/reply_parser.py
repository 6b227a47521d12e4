"""A root reply -> the code blocks in it. Never raises: whatever a model writes is a reply.

A reply may quote a hostile document, so reading it takes time in proportion to its length, whatever it holds. No
pattern here backtracks: every quantifier is possessive.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

from rlm_integrations.core.loop.bare_code import code_among, with_fences
from rlm_integrations.core.loop.code_dresses import Dressed, is_call_head, react_call, undressed
from rlm_integrations.core.loop.code_in_json import out_of_json
from rlm_integrations.core.loop.drafts import without_drafts
from rlm_integrations.core.loop.final_argument import Final
from rlm_integrations.core.loop.final_text import final_of
from rlm_integrations.core.loop.imagined_output import without_unseen
from rlm_integrations.core.loop.lexing import without_strings
from rlm_integrations.core.loop.quotations import Quotations
from rlm_integrations.core.loop.reply_parts import Part, ReplyReader
from rlm_integrations.core.loop.session_code import read_python
from rlm_integrations.core.loop.talk_of_final import takes_back
from rlm_integrations.core.loop.written_code import as_meant, outdented
from rlm_integrations.frozen import frozen

_MOST_DRESSED = 50
_MOST_DEPTH = 20
_WORD = re.compile(r"\w++")
_MOST_EXAMPLES = 10
_EXAMPLE_MARKS = ("python", "python2", "python3", "py", "py2", "py3", "code")
"""Of fences that may be meant for the user. The others are for a REPL."""


class ParsedReply(NamedTuple):
    """What a root reply asks for."""

    blocks: tuple[str, ...]
    """Code to run, in order. FINAL_VAR(...) as plain text is a block of its own, and so is FINAL(variable)."""
    final: str | None = None
    """The text of FINAL(...) outside any fence. Beside blocks it is no answer: nobody has seen what they print."""
    prose: str = ""
    """What stands outside the blocks, quotations included."""
    fence_open: bool = False
    """Whether the last fence was never closed."""
    unseen: int = 0
    """How many blocks stand below an output that the root LM made up, and are not to run."""
    drafts: int = 0
    """How many blocks stand in thoughts, above the code that is meant, and are not to run."""
    quoted: int = 0
    """How many fenced blocks are quotations of what the root LM was shown, and so no code."""
    looked_up: bool = False
    """Whether the last block is the FINAL(...) of the prose, which `final` gives as text."""
    unread: bool = False
    """Whether it asks for a call that cannot be made out, and so is no answer."""
    unmarked: bool = False
    """Whether the blocks are code in another dress than a marked fence."""
    example: bool = False
    """Whether the code may be an example in an answer: words stand beside it, and it would do the same anywhere."""
    ends_in_words: bool = False
    """Whether words stand below the last block."""
    talk_of_final: bool = False
    """Whether the last FINAL(...) of the prose is only spoken of, and so not taken."""
    taken_back: bool = False
    """Whether words around the last block take back what it does, or say that it is not to run."""
    refused_calls: tuple[str | None, ...] = ()
    """For each call of a tool why nothing of it runs; None where its code is one of the blocks."""


def parse_reply(
    reply: str,
    quotations: Quotations | None = None,
    variables: Collection[str] | None = frozenset(),
    *,
    last: bool = False,
) -> ParsedReply:
    """Its code, in marked fences or in another dress, and FINAL(...) or FINAL_VAR(...) as plain text.

    A block ends at the first closing fence where the code so far is whole, so that fences inside a string do not cut
    it; where none is, at the first.

    Args:
        reply: What the root LM wrote.
        quotations: What it was shown. Code that stands there is prose, and no FINAL in it counts.
        variables: Those that the session is known to have; None where no code has run, so that it has none.
        last: Whether nobody can be asked again, so that an answer that is a guess is taken too.
    """
    reply = reply.replace("\r\n", "\n")
    return plain_reply(reply, quotations) or read_reply(reply, quotations, variables, last=last)


def plain_reply(reply: str, quotations: Quotations | None) -> ParsedReply | None:
    """What `read_reply` gives for prose with one ```repl fence at its end; None for all that may be anything else.

    Most replies are as plain, and so read in a tenth of the time.
    """
    prose, opening, rest = reply.partition("```repl\n")
    code, closing, below = rest.rpartition("\n```")
    if not opening or not closing or below or "```" in code:
        return None
    if prose and (not prose.endswith("\n") or any(sign in prose for sign in ("```", "~~~", "<", "FINAL"))):
        return None
    if quotations is not None and quotations.hold([opening[:-1], *code.split("\n"), closing[1:]]):
        return None
    written = as_meant(code)
    taken_back = bool(prose) and takes_back(prose, "")
    return None if written.cut else ParsedReply((written.code,), prose=prose[:-1], taken_back=taken_back)


def read_reply(
    reply: str, quotations: Quotations | None, variables: Collection[str] | None, *, last: bool = False
) -> ParsedReply:
    """As `parse_reply`, of a reply whose lines end with line feeds alone, and whatever it holds."""
    parsed, final = read_fences(reply, quotations, variables, last=last)
    return parsed if final is None else with_final(parsed, final, variables)


def read_fences(
    reply: str, quotations: Quotations | None, variables: Collection[str] | None, *, last: bool = False
) -> tuple[ParsedReply, Final | None]:
    """The code in a reply, and apart from it what FINAL(...) or FINAL_VAR(...) in its prose says, unless quoted."""
    reply = out_of_json(reply)
    if "```" not in reply and "~~~" not in reply:
        reply = "\n".join(with_fences(reply.split("\n")))
    reader = ReplyReader(reply, quotations)
    parts = reader.read()
    marked = any(part.kind == "block" for part in parts)
    unread = False
    if not marked:
        parts, unread = _Undressing(quotations, variables or ()).of(parts, reader.lines)
    drafts, unseen = without_drafts(parts), without_unseen(parts)
    blocks = [part for part in parts if part.kind == "block"]
    others = [part for part in parts if part.kind != "block"]
    prose = "\n".join(line for part in others for line in part.lines)
    end = next((part.kind for part in reversed(parts) if any(map(str.strip, part.lines))), "block")
    parsed = ParsedReply(
        tuple(part.code for part in blocks),
        prose=prose,
        fence_open=reader.fence_open and not unseen,
        unseen=unseen,
        drafts=drafts,
        quoted=sum(part.kind == "quotation" for part in parts),
        unread=unread,
        unmarked=bool(blocks) and not marked,
        example=bool(prose.strip()) and _are_examples(blocks, variables or ()),
        ends_in_words=bool(blocks) and end != "block",
        taken_back=_taken_back(parts),
    )
    own = "\n".join(line for part in others for line in part.own_lines())
    known = {*_known(variables), *_foreign_names(parsed.blocks)}
    final = final_of(prose, own, known, other_forms=not blocks, breaks=_breaks(parts), last=last)
    if final is None or (quotations is not None and not _is_all(prose, final) and quotations.hold_code(final.written)):
        return parsed, None
    return (parsed._replace(talk_of_final=True), None) if final.talk else (parsed, final)


def _foreign_names(blocks: Sequence[str]) -> list[str]:
    """The names in code that are not of ASCII, and so are not taken for a variable's unless it is known."""
    bare = [without_strings(code, _MOST_DEPTH) for code in blocks if not code.isascii()]
    return [word for code in bare if code is not None for word in _WORD.findall(code[0]) if not word.isascii()]


def _breaks(parts: Sequence[Part]) -> list[int]:
    """Where words stand below a block, in what all others come to."""
    breaks, at = [0], 0
    for part in parts:
        if part.kind == "block":
            breaks.append(at)
        else:
            at += sum(len(line) + 1 for line in part.lines)
    return breaks


def _taken_back(parts: Sequence[Part]) -> bool:
    """Whether words right above the last block, or below it, take it back."""
    at = next((at for at in range(len(parts) - 1, -1, -1) if parts[at].kind == "block"), None)
    if at is None:
        return False
    above, below = itertools.takewhile(_is_prose, reversed(parts[:at])), itertools.takewhile(_is_prose, parts[at + 1 :])
    lines = [line for part in reversed(list(above)) for line in part.lines]
    return takes_back("\n".join(lines), "\n".join(line for part in below for line in part.lines))


def _is_prose(part: Part) -> bool:
    return part.kind == "prose"


def _is_all(prose: str, final: Final) -> bool:
    """Whether nothing else is said, and nothing is called: such a FINAL(...) quotes nothing, whoever showed it."""
    return prose.strip() == final.written and final.written.count("(") == 1


def with_final(reply: ParsedReply, final: Final, variables: Collection[str] | None) -> ParsedReply:
    """The reply with what its prose says is the answer."""
    known = _known(variables)
    if final.names is not None and final.names.isdisjoint(known):
        return reply._replace(final=final.text)
    if not final.all_names.issubset(known):
        return reply._replace(final=final.text)
    is_word = final.text is not None and final.text.isidentifier()
    if final.code is None or (is_word and variables is None and not reply.blocks and not _is_set(reply.prose, final)):
        return reply._replace(final=final.text)
    return reply._replace(
        blocks=(*reply.blocks, final.code), final=final.text, looked_up=final.text is not None, example=False
    )


def _known(variables: Collection[str] | None) -> tuple[str, ...]:
    return ("context", "answer", *(variables or ()))


def _is_set(prose: str, final: Final) -> bool:
    """Whether the prose seems to give the name in a FINAL(...) a value: code that could not be made out."""
    return re.search(rf"^[ \t]*+{final.text}[ \t]*+=(?!=)", prose, re.MULTILINE) is not None


def _are_examples(blocks: Sequence[Part], variables: Collection[str]) -> bool:
    """Whether these blocks, if any, would do the same anywhere."""
    if not 0 < len(blocks) <= _MOST_EXAMPLES or any(block.mark not in _EXAMPLE_MARKS for block in blocks):
        return False
    codes = [read_python(block.code) for block in blocks]
    return all(code is not None and code.self_contained and not code.for_session(variables) for code in codes)


def _run_once(parts: Sequence[Part]) -> None:
    """Take a call whose code stands above as well for what it is: the same said again, as where a server sends a call
    both as text and apart from it."""
    seen = set[str]()
    for part in parts:
        if part.kind == "block":
            code = part.code.strip()
            if code in seen and part.dressed is not None and part.dressed.kind == "tag":
                part.kind = "draft"
            seen.add(code)


@frozen
class _Undressing:
    """Finds code in other dresses, for replies without a marked fence."""

    quotations: Quotations | None
    variables: Collection[str]

    def of(self, parts: list[Part], lines: list[str]) -> tuple[list[Part], bool]:
        """The parts of a reply with these lines, and whether it asks for nothing but a call that cannot be made out."""
        dressed = [part for part in parts if part.dressed is not None]
        if dressed:
            unread = [self._undress(part) for part in dressed[:_MOST_DRESSED]]
            _run_once(dressed)
            return parts, any(unread) and not any(part.kind == "block" for part in parts)
        if any(part.kind == "quotation" for part in parts):
            return parts, False
        return self._bare(parts, lines)

    def _bare(self, parts: list[Part], lines: list[str]) -> tuple[list[Part], bool]:
        """The same where nothing encloses code: the whole reply may be code, or what follows the head of a call."""
        head = next((at for at in range(len(lines)) if is_call_head(lines, at)), 0)
        part = Part("prose", lines[head:], dressed=Dressed("bare", "\n".join(lines[head:])))
        if not head and (call := react_call("\n".join(lines))) is not None and not self._shown(call[1]):
            part.dressed = call[0]
        unread = self._undress(part)
        if part.kind == "prose" and not unread and (place := code_among(lines, self.variables)):
            return self._among(lines, *place), False
        if part.kind == "prose":
            return parts, unread
        return [Part("prose", lines[:head]), part] if head else [part], unread

    def _among(self, lines: list[str], start: int, end: int) -> list[Part]:
        """The same where code stands among words."""
        part = Part("prose", lines[start:end], dressed=Dressed("bare", outdented("\n".join(lines[start:end]))))
        self._undress(part)
        words = ([Part("prose", piece)] if piece else [] for piece in (lines[:start], lines[end:]))
        above, below = words
        return [*above, part, *below]

    def _undress(self, part: Part) -> bool:
        """Make a block of the part if it is code. Returns whether it asks for a call that cannot be made out."""
        assert part.dressed is not None
        found = undressed(part.dressed, self.variables)
        code = "\n".join(as_meant(code).code for code in found.codes)
        if code and self._shown(code, part.dressed.text):
            part.kind = "quotation"
        elif found.codes:
            part.kind, part.code, part.cut = "block", code, found.cut
            part.mark = "code" if part.dressed.kind == "code tag" else "unmarked"
        return found.unread

    def _shown(self, *texts: str) -> bool:
        return self.quotations is not None and any(
            self.quotations.hold_commented(text) for text in texts if text.strip()
        )
