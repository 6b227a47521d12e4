"""A run of the demo, told while it goes on: what the root LM says, the code it runs, how far the sub-calls are."""

from __future__ import annotations

import re
import textwrap
from types import TracebackType

from rich.syntax import Syntax
from rich.text import Text

from rlm_integrations.core.trace.events import CodeStarted, Event, RootReplied, SubCallEnded
from rlm_integrations.core.trace.records import SubCall
from rlm_integrations.core.wording import number
from rlm_integrations.terminal.console import TerminalConsole, sentence
from rlm_integrations.terminal.live_view import LiveView
from rlm_integrations.terminal.printable import printable

_THOUGHT = re.compile(r"(.*?)(?:^ *```|\Z)", re.DOTALL | re.MULTILINE)


class Narration:
    """Prints a run to a console while the `with` block lasts: pass `see` to whatever runs it, as `on_event`."""

    def __init__(self, console: TerminalConsole, *, with_code: bool) -> None:
        self._console = console
        self._with_code = with_code
        self._live = LiveView(console)
        self.sub_calls: list[SubCall] = []
        """Those that have ended, in the order they did."""

    @property
    def summary(self) -> str:
        """The run in one line."""
        return self._live.summary

    def see(self, event: Event) -> None:
        self._live.see(event)
        match event:
            case RootReplied() if self._with_code:
                if thought := sentence(thought_of(event.reply)):
                    self._console.print(Text.assemble("\n", ("root LM: ", "bold"), thought))
            case CodeStarted() if self._with_code:
                for block in event.blocks:
                    self._console.print(code(textwrap.indent(printable(block), "  ")))
            case SubCallEnded():
                self.sub_calls.append(event.call)
                if self._with_code:
                    line = Text.assemble("  ", sentence(sub_call_line(event.call), style="dim"))
                    self._console.print(line, no_wrap=True, overflow="ellipsis")
            case _:
                pass

    def __enter__(self) -> Narration:
        self._live.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._live.__exit__(kind, error, tb)


def thought_of(reply: str) -> str:
    """What a reply says before its first code fence."""
    found = _THOUGHT.match(reply)
    return found[1] if found else ""


def sub_call_line(call: SubCall) -> str:
    """A sub-call in one line of any length: what went out and what came back."""
    came = f"failed: {call.error}" if call.reply is None else f"“{'; '.join(call.reply.splitlines())}”"
    return f"sub-call {call.number}: {number(len(call.prompt))} characters -> {came}"


def code(source: str) -> Text:
    """Python source, coloured where the console has colours."""
    text = Syntax(source, "python", theme="ansi_dark", background_color="default").highlight(source)
    text.rstrip()
    return text
