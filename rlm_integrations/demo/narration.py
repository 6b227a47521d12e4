"""A run of the demo, told while it goes on: the root LM's thoughts and code, the sub-calls, and what was printed."""

from __future__ import annotations

import re
from types import TracebackType

from pygments.token import Comment, Keyword, String
from rich.style import Style
from rich.syntax import ANSISyntaxTheme, Syntax
from rich.text import Text

from rlm_integrations.core.trace.events import CodeEnded, CodeStarted, Event, RootReplied, SubCallEnded
from rlm_integrations.core.trace.records import SubCall
from rlm_integrations.core.wording import plural
from rlm_integrations.terminal.console import TerminalConsole, sentence, words
from rlm_integrations.terminal.live_view import LiveView
from rlm_integrations.terminal.printable import printable

_SUB_CALLS = 2
_OUTPUT_LINES = 14
_THEME = ANSISyntaxTheme({Keyword: Style(bold=True), String: Style(italic=True), Comment: Style(dim=True)})
"""No colours: those that are readable on black are not on white."""
_thought = re.compile(r"(.*?)(?:^ *```|\Z)", re.DOTALL | re.MULTILINE)


class Narration:
    """Prints a run to a console while the `with` block lasts: pass `see` to whatever runs it, as `on_event`."""

    def __init__(self, console: TerminalConsole) -> None:
        self._console = console
        self._live = LiveView(console)
        self._ended: list[SubCall] = []

    def see(self, event: Event) -> None:
        self._live.see(event)
        match event:
            case RootReplied():
                if thought := sentence(thought_of(event.reply)):
                    self._console.print(Text.assemble("\n", ("root LM: ", "bold"), thought))
            case CodeStarted():
                for block in event.blocks:
                    print_indented(self._console, code(printable(block)))
            case SubCallEnded():
                self._ended.append(event.call)
            case CodeEnded():
                self._show_sub_calls()
                printed = event.execution.output, event.execution.error or "", event.execution.lost or ""
                self._show_output("\n".join(part.strip("\n") for part in printed if part.strip()))
            case _:
                pass

    def _show_sub_calls(self) -> None:
        calls, self._ended = sorted(self._ended, key=lambda call: call.number), []
        if calls:
            self._console.print("sub-calls:", style="bold")
        for call in calls[:_SUB_CALLS]:
            print_indented(self._console, sentence(sub_call_line(call)), cut=True)
        if more := len(calls[_SUB_CALLS:]):
            self._console.print(f"  … and {plural(more, 'more sub-call')}")

    def _show_output(self, output: str) -> None:
        if not output:
            return
        self._console.print("printed:", style="bold")
        lines = output.split("\n")
        print_indented(self._console, words("\n".join(lines[:_OUTPUT_LINES])), cut=True)
        if more := len(lines[_OUTPUT_LINES:]):
            self._console.print(f"  … and {plural(more, 'more line')}")

    def __enter__(self) -> Narration:
        self._live.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._live.__exit__(kind, error, tb)


def thought_of(reply: str) -> str:
    """What a reply says before its first code fence."""
    found = _thought.match(reply)
    return found[1] if found else ""


def sub_call_line(call: SubCall) -> str:
    """A sub-call in one line of any length: what went out and what came back."""
    came = f"failed: {call.error}" if call.reply is None else f"“{'; '.join(call.reply.splitlines())}”"
    return f"{call.number}: {plural(len(call.prompt), 'character')} -> {came}"


def code(source: str) -> Text:
    """Python source, its keywords bold where the console can show it."""
    text = Syntax(source, "python", theme=_THEME, background_color="default").highlight(source)
    text.rstrip()
    return text


def print_indented(console: TerminalConsole, text: Text, *, cut: bool = False) -> None:
    """Each line by two columns; what does not fit is cut, or goes on in lines that are indented further."""
    shown: list[Text] = []
    for line in text.split("\n", allow_blank=True):
        indent = 2 + len(line.plain) - len(line.plain.lstrip(" "))
        parts = [line[indent - 2 :]]
        if cut:
            parts[0].truncate(console.width - indent, overflow="ellipsis")
        elif line.cell_len + 2 > console.width:
            parts = list(parts[0].wrap(console, max(20, console.width - indent - 4)))
        shown += [Text(" " * (indent + (4 if place else 0))) + part for place, part in enumerate(parts)]
    console.print(Text("\n").join(shown), soft_wrap=True)
