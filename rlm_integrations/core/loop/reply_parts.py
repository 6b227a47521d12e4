"""A reply of a root LM, taken apart: prose, blocks in marked fences, quotations, and what may be code too."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Literal

from rlm_integrations.core.loop.code_dresses import Dressed, is_other_code, may_enclose, tag_of
from rlm_integrations.core.loop.code_fences import (
    End,
    Ends,
    Opening,
    opening_of,
    without_closing,
    without_nearly_closing,
)
from rlm_integrations.core.loop.final_text import final_end, final_opening
from rlm_integrations.core.loop.lexing import Allowance, CodeReader
from rlm_integrations.core.loop.quotations import Quotations
from rlm_integrations.core.loop.session_code import read_python
from rlm_integrations.core.loop.written_code import as_meant, outdented

_READ_TIMES = 4
"""How many times the length of a reply is read at most to find where blocks are whole. Beyond that a block ends at its
first closing fence."""
_ATTRIBUTES = re.compile(
    r"(?!(?:import|from|pass|del|assert)\b)(?>(?:(?:[\w.-]++(?>(?:=\S++)?)|\{[^{}]*+\}?+|\([\w .-]{0,40}+\))\s*+)+)"
)
"""What is written behind the mark of a fence for who renders it."""


@dataclass(slots=True)
class Part:
    """Lines of a reply."""

    kind: Literal["prose", "block", "quotation", "dressed", "final", "unseen", "draft"]
    lines: list[str]
    code: str = ""
    """What a block holds."""
    mark: str = ""
    """The word by which a block is known as code, in lower case."""
    cut: bool = False
    """Whether a block that shows a session went on below what that is said to have printed."""
    dressed: Dressed | None = None
    """What lines of the kind "dressed" hold."""

    def own_lines(self) -> list[str]:
        """The lines as long as they are, without what a FINAL that counts may not begin in."""
        kept = {"quotation": 0, "unseen": 0, "draft": 0, "final": 1}.get(self.kind, len(self.lines))
        if self.kind == "dressed" and self.dressed is not None and is_other_code(self.dressed):
            kept = 0
        return self.lines[:kept] + ["\0" * len(line) for line in self.lines[kept:]]


@dataclass(slots=True)
class ReplyReader:
    """Takes a reply apart, from the first line to the last."""

    text: str
    quotations: Quotations | None
    lines: list[str] = field(init=False)
    starts: list[int] = field(init=False)
    allowance: Allowance = field(init=False)
    parts: list[Part] = field(default_factory=list[Part])
    fence_open: bool = False
    final_seen: bool = False
    talk_of_fences: bool = False
    """Whether a fence behind words is never closed and holds no code: others below it are not tried."""
    _ends: Ends | None = None
    tags_left: int = 20
    """How many tags that enclose no code are tried. Each is looked for up to the end of the reply."""

    def __post_init__(self) -> None:
        self.lines = self.text.split("\n")  # not splitlines: code may hold U+2028 and the like in a str
        self.starts = [0, *accumulate(len(line) + 1 for line in self.lines)]
        self.allowance = Allowance(_READ_TIMES * len(self.text) + 1_000)

    def _ends_below(self, at: int) -> Ends:
        """Where fences may end, looked for below the first that is asked for."""
        if self._ends is None:
            self._ends = Ends(self.lines, at + 1)
        return self._ends

    def read(self) -> list[Part]:
        """All of it, in order."""
        at = 0
        while at < len(self.lines):
            at = self._part(at)
        return self.parts

    def _part(self, at: int) -> int:
        """Take what begins at the line. Returns the line below it."""
        line = self.lines[at]
        opening = opening_of(line)
        if opening is not None and opening.mark:
            return self._marked(at, opening) or self._prose(at, at + 1)
        if opening is not None and not opening.before:
            return self._other_fence(at, opening) or self._prose(at, at + 1)
        if "<" in line and (tag := tag_of(line)) is not None and (below := self._tag(at, *tag)):
            return below
        if not self.final_seen and (final := final_opening(line)):
            self.final_seen = True
            end = final_end(self.text, self.starts[at] + final.end())
            if end is not None:
                below = at + 1
                while self.starts[below] <= end:
                    below += 1
                self.parts.append(Part("final", self.lines[at:below]))
                return below
        return self._prose(at, at + 1)

    def _prose(self, at: int, below: int) -> int:
        """Add lines to the prose above them, if there is some: a part for each line would take thrice as long."""
        if self.parts and self.parts[-1].kind == "prose":
            self.parts[-1].lines += self.lines[at:below]
        else:
            self.parts.append(Part("prose", self.lines[at:below]))
        return below

    def _marked(self, at: int, opening: Opening) -> int | None:
        line = self.lines[at]
        if (inside := without_closing(opening.rest, opening.run)) is not None:
            return self._on_one_line(at, opening, inside)
        if "`" in opening.rest and opening.run[0] == "`":
            return None
        if opening.before and self.talk_of_fences:
            return None
        first, end = self._find_end(at, opening)
        if opening.before and first is None and not _acts(self._code(at, opening, None)):
            self.talk_of_fences = True
            return None
        if self._quoted(at, opening, first):
            return self._take(at, first, Part("quotation", []), opening)
        if opening.mark != "repl":
            for stop in dict.fromkeys((first, end)):
                if self._copied(self._code(at, opening, stop)):
                    self.fence_open = False
                    return self._take(at, stop, Part("quotation", []), opening)
        self.fence_open = end is None
        if opening.before:
            self.parts.append(Part("prose", [line[: opening.column].rstrip()]))
        code = as_meant(self._code(at, opening, end))
        return self._take(at, end, Part("block", [], code.code, opening.mark, code.cut), opening)

    def _on_one_line(self, at: int, opening: Opening, inside: str) -> int | None:
        if not inside or (opening.before and not _acts(inside)):
            return None
        line = self.lines[at]
        quoted = self.quotations is not None and self.quotations.hold([line[opening.column :]])
        if quoted or (opening.mark != "repl" and self._copied(inside)):
            self.parts.append(Part("quotation", [line]))
            return at + 1
        if opening.before:
            self.parts.append(Part("prose", [line[: opening.column].rstrip()]))
        self.parts.append(Part("block", [line], inside, opening.mark))
        return at + 1

    def _take(self, at: int, end: End | None, part: Part, opening: Opening) -> int:
        """Add the part that goes down to an end. Returns the line below, which a tail of the closing line takes."""
        if end is None:
            part.lines = self.lines[at:]
            self.parts.append(part)
            return len(self.lines)
        below = end.line if end.kind == "opening" else end.line + 1
        part.lines = self.lines[at:below]
        self.parts.append(part)
        if part.kind == "block" and end.kind == "closing" and end.after and not end.after.startswith("<"):
            self.parts.append(Part("prose", [end.after]))
        return below

    def _find_end(self, at: int, opening: Opening) -> tuple[End | None, End | None]:
        """The first end of the fence, and that where its code is whole: else the first again."""
        ends = self._ends_below(at)
        first = ends.first_sure(at, opening.run)
        miscounted = first is None and len(opening.run) > 3
        if miscounted:  # it may be closed by a shorter one
            opening = opening._replace(run=opening.run[:3])
            first = ends.first_sure(at, opening.run)
            if first is None or first.kind == "opening":
                return None, None
        if first is not None and not miscounted and ends.has_only(first, at, opening.run):
            return first, first
        start = self.starts[at + 1]
        if opening.rest and not _is_for_renderers(opening):
            start -= len(self.lines[at]) - self.lines[at].rindex(opening.rest) + 1
        reader = CodeReader(self.text, start, self.allowance)
        for end in ends.after(at, opening.run):
            place = self.starts[end.line] + end.column if end.kind == "glued" else self.starts[end.line] - 1
            if reader.whole_at(max(place, start)):
                return first if first is not None and first.line < end.line else end, end
            if self.allowance.left <= 0:
                break
        return (None, None) if miscounted else (first, first)

    def _quoted(self, at: int, opening: Opening, end: End | None) -> bool:
        """Whether the block is one that was shown, or what would run of it stands below such a fence there."""
        if self.quotations is None:
            return False
        below = len(self.lines) if end is None else end.line if end.kind == "opening" else end.line + 1
        lines = self.lines[at:below]
        lines[0] = lines[0][opening.column :]
        if end is not None and end.kind == "closing" and end.after:
            lines[-1] = lines[-1][: lines[-1].rindex(end.after)]
        elif end is not None and end.kind == "opening":
            lines.append(opening.run)  # the next fence begins with it
        if self.quotations.hold(lines):
            return True
        if not opening.rest and end is not None:
            return False
        return self.quotations.hold([opening.run + opening.mark, *self._code(at, opening, end).split("\n")])

    def _copied(self, code: str) -> bool:
        """Whether code was shown, in whatever dress: in a fence that is not marked for the REPL it is quoted so."""
        return self.quotations is not None and self.quotations.hold_commented(code)

    def _code(self, at: int, opening: Opening, end: End | None) -> str:
        """The block without its fences, and with the code on the line of the first."""
        body = self.lines[at + 1 : len(self.lines) if end is None else end.line]
        if end is not None and end.kind == "glued":
            body.append(self.lines[end.line][: end.column])
        if end is None and (closed := without_nearly_closing(body)) is not body and _acts("\n".join(closed)):
            body, self.fence_open = closed, False
        indent = opening.indent if next(filter(str.strip, body), "").startswith(opening.indent) else ""
        written = "\n".join(line.removeprefix(indent) for line in body)
        rest = opening.rest
        if not rest or (_is_for_renderers(opening) and (written.strip() or "=" not in rest)):
            return written
        if not written.strip():
            return rest
        return next(
            (code for code in (f"{rest}\n{written}", f"{rest}\n{outdented(written)}") if _acts(code)),
            written,
        )

    def _other_fence(self, at: int, opening: Opening) -> int | None:
        """A fence of another kind, if it is closed before another opens."""
        end = self._ends_below(at).first_sure(at, opening.run)
        if end is None or end.kind == "opening" or "`" in opening.word:
            return None
        body = outdented("\n".join(line.removeprefix(opening.indent) for line in self.lines[at + 1 : end.line]))
        word = opening.word.split(maxsplit=1)[0] if opening.word else ""
        dressed = Dressed("fence", body, word)
        return self._take(at, end, Part("dressed", [], dressed=dressed), opening)

    def _tag(self, at: int, tag: str, begin: int, inside: int) -> int | None:
        """What a tag encloses, if no fence stands in it."""
        if self.tags_left <= 0:
            return None
        start = self.starts[at] + inside
        closing = self.text.find(f"</{tag.partition('=')[0]}>", start)
        if closing < 0:
            closing = len(self.text)
        body = self.text[start:closing]
        if not may_enclose(tag, body):
            self.tags_left -= 1
            return None
        below = at + 1
        while below < len(self.lines) and self.starts[below] <= closing:
            below += 1
        if tag.lower().startswith("function="):
            body = f"<{tag}>{body}"
        kind = "code tag" if tag.lower() == "code" else "fence" if tag.lower() in ("pre", "tool", "action") else "tag"
        if begin and self.lines[at][:begin].strip():
            self.parts.append(Part("prose", [self.lines[at][:begin]]))
        self.parts.append(
            Part(
                "dressed",
                self.lines[at:below],
                dressed=Dressed(kind, outdented(body.strip("\n")), "" if kind == "fence" else tag),
            )
        )
        return below


def _acts(code: str) -> bool:
    read = read_python(code)
    return read is not None and read.acts


def _is_for_renderers(opening: Opening) -> bool:
    """Whether what follows the mark of a fence is for who renders it, or names Python once more."""
    if not _ATTRIBUTES.fullmatch(opening.rest):
        return False
    return "=" not in opening.rest or opening.mark.startswith("py")
