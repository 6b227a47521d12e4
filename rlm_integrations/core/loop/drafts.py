"""Code that stands where a reply says that it thinks is a draft, and does not run where the code that is meant follows.

Pure, and linear in the reply.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from rlm_integrations.core.loop.final_text import final_opening
from rlm_integrations.core.loop.reply_parts import Part
from rlm_integrations.core.loop.session_code import read_python

_THINKING = (
    r"(?>(?:(?:my|initial|inner|internal|chain of|train of)[ _-])?)"
    r"(?:thinking|thoughts?+|reasoning|reflections?+|scratch ?+pad|monologue|brainstorm(?>(?:ing)?)|draft)"
)
_HEAD_OF_THOUGHTS = re.compile(
    rf"[ \t]*+(?>(?:#{{1,6}}+[ \t]*+)?)[*_]{{0,3}}+{_THINKING}(?>(?: (?:process|time|step|aloud|out loud))?)"
    r"(?:[ \t]*+:[*_]*+|[*_]{0,3}+[ \t]*+:?+[ \t]*+$)",
    re.IGNORECASE,
)
_OTHER_HEAD = re.compile(
    r"[ \t]*+(?:#{1,6}+[ \t]++\S|(?:\*{1,3}+|_{1,2}+)[^*_\n]{1,60}+(?:\*{1,3}+|_{1,2}+)[ \t]*+:?+[ \t]*+$"
    r"|\*\*[^*\n]{1,60}+(?::\*\*|\*\*[ \t]*+:)"
    r"|(?>(?:final |my |the |actual |real )*)"
    r"(?:actions?+|answer|code|response|reply|final|solution|conclusion|decision)"
    r"[ \t]*+:)",
    re.IGNORECASE,
)
_TAG = re.compile(
    r"[ \t]*+(?:<|&lt;|\[)[ \t]*+(?P<slash>/?+)[ \t]*+(?:details>[ \t]*+<summary|(?P<name>[\w:.-]{1,40}+))"
    r"(?>(?:[ \t][^<>\n]{0,80}+)?)[ \t]*+(?:>|&gt;|\])(?P<rest>[^<\n]{0,80}+)",
    re.IGNORECASE,
)
_TAG_ENDINGS = (
    *("think", "thinking", "thought", "thoughts", "reasoning", "reflection", "reflect", "scratchpad", "scratch"),
    *("monologue", "cot", "analysis", "plan", "planning", "chain_of_thought", "brainstorm", "brainstorming", "draft"),
    *("drafts", "deliberation", "deliberate", "ponder", "rationale", "strategy", "approach", "ideas", "musings"),
)
"""How names of tags end that models put around what they think. `split_thoughts` has taken out those that are sure."""
_SUMMARY = re.compile(rf"[ \t*_]*+{_THINKING}\b", re.IGNORECASE)
_ANSWERS = frozenset(("answer", "FINAL", "FINAL_VAR"))


@dataclass(slots=True)
class _Section:
    """A part of a reply that says of itself that it is thinking."""

    name: str
    """Of its tag; "" below a heading."""
    start: int
    """The place of its first part."""
    stop: int = -1
    """The place of the part below it; -1 where nothing says where it ends."""


@dataclass(slots=True)
class _Sections:
    """Those of a reply, in order."""

    closed: list[_Section] = field(default_factory=list[_Section])
    last: _Section | None = None
    """One that is still open."""

    def read(self, line: str, at: int) -> bool:
        """Take the line of a part for what it says of where thoughts begin and end. Returns whether it says so."""
        before = self.last
        if "<" in line or "[" in line or "&lt;" in line:
            self._read_tag(line, at)
        if _HEAD_OF_THOUGHTS.match(line):
            if self.last is None or not self.last.name:  # one head for each of several steps is no draft
                self.last = _Section("", at)
        elif self.last is not None and not self.last.name and _OTHER_HEAD.match(line):
            self._close(at)
        return self.last is not before

    def _read_tag(self, line: str, at: int) -> None:
        tag = _TAG.match(line)
        if tag is None:
            return
        name = (tag["name"] or "details").lower()
        if self.last is not None and self.last.name:
            if tag["slash"] and name == self.last.name:
                self._close(at + 1)
        elif not tag["slash"] and (
            _SUMMARY.match(tag["rest"]) if name in ("details", "summary") else name.endswith(_TAG_ENDINGS)
        ):
            self.last = _Section("details" if name == "summary" else name, at)

    def _close(self, at: int) -> None:
        assert self.last is not None
        self.last.stop = at
        self.closed.append(self.last)
        self.last = None


def without_drafts(parts: list[Part]) -> int:
    """Take blocks that stand in thoughts for drafts, where code follows. Returns how many those are.

    Prose is cut where thoughts begin and end.

    Where nothing says where the thoughts end, those blocks that would be the answer, though others follow. A FINAL(...)
    in thoughts is no answer beside what follows either, and in tags around thoughts it never is.
    """
    sections = _Sections()
    parts[:] = _cut(parts, sections)
    last_block = max((at for at, part in enumerate(parts) if part.kind == "block"), default=-1)
    last_final = max((at for at, part in enumerate(parts) if _has_final(part)), default=-1)
    drafts = 0
    for section in sections.closed:
        code_follows, final_follows = last_block >= section.stop, last_final >= section.stop
        for part in parts[section.start : section.stop]:
            if part.kind == "block" and (code_follows or (final_follows and _answers(part))):
                part.kind = "draft"
                drafts += 1
            elif part.kind in ("prose", "final") and (section.name or code_follows or final_follows):
                part.kind = "draft"
    if sections.last is not None:
        drafts += _answers_before_others(parts[sections.last.start :])
    return drafts


def _cut(parts: Sequence[Part], sections: _Sections) -> list[Part]:
    """The parts, with a part of its own for each line of prose where thoughts begin or end, as they are read."""
    cut: list[Part] = []
    for part in parts:
        if part.kind != "prose":
            if part.lines and part.kind == "block" and "</" in part.lines[-1]:
                sections.read(part.lines[-1].lstrip(" \t`~"), len(cut))
            cut.append(part)
            continue
        begin = 0
        for at, line in enumerate(part.lines):
            if sections.read(line, len(cut) + (at > begin)):
                cut += [Part("prose", lines) for lines in (part.lines[begin:at], [line]) if lines]
                begin = at + 1
        if begin < len(part.lines):
            cut.append(part if not begin else Part("prose", part.lines[begin:]))
    return cut


def _answers_before_others(thoughts: Sequence[Part]) -> int:
    blocks = [part for part in thoughts if part.kind == "block"]
    drafts = [part for part in blocks[:-1] if _answers(part)]
    for part in drafts:
        part.kind = "draft"
    return len(drafts)


def _answers(part: Part) -> bool:
    code = read_python(part.code)
    return code is not None and not code.free_names.isdisjoint(_ANSWERS)


def _has_final(part: Part) -> bool:
    return part.kind in ("prose", "final") and any(map(final_opening, part.lines))
