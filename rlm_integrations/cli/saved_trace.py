"""A trace that was kept in a file: read, printed, and written as a page."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from rlm_integrations.cli.answer_output import answer_text
from rlm_integrations.cli.answer_view import print_answer
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.trace.evidence import Evidence, Found
from rlm_integrations.core.trace.records import RLMTrace
from rlm_integrations.core.trace.result import RLMResult
from rlm_integrations.terminal.console import TerminalConsole
from rlm_integrations.terminal.streams import ReaderGoneError
from rlm_integrations.terminal.trace_lines import trace_lines
from rlm_integrations.trace_page.page import MARK

_REMEDY = "pass the FILE of `ask --trace FILE`, or what trace.model_dump_json() gave"
_HEAD_BYTES = 4_096


def read_trace(path: Path) -> RLMTrace:
    """The trace in a file: by itself, or in the JSON of what a run gave back.

    Raises:
        InvalidArgumentError: It cannot be read, or holds no trace.
    """
    text = _read(path)
    try:
        held: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidArgumentError(f"FILE: {str(path)!r} is no JSON ({error}); {_REMEDY}") from error
    try:
        if isinstance(held, Mapping) and "iterations" in held and "limits" in held:
            return RLMTrace.model_validate(held)
        return RLMTrace.of(cast("dict[str, Any]", held))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise InvalidArgumentError(
            f"FILE: {str(path)!r} holds a trace that is not of this version ({where}: {first['msg']}); {_REMEDY}"
        ) from error
    except InvalidArgumentError as error:
        raise InvalidArgumentError(f"FILE: {str(path)!r} holds no trace; {_REMEDY}") from error


def _read(path: Path) -> str:
    try:
        with open(path, encoding="utf-8-sig", opener=_open_at_once) as file:
            text = file.read()
        nobody_writes = not text and path.is_fifo()
    except OSError as error:
        raise InvalidArgumentError(f"FILE: {str(path)!r} cannot be read ({error.strerror}); {_REMEDY}") from error
    except ValueError as error:
        raise InvalidArgumentError(f"FILE: {str(path)!r} is no JSON ({error}); {_REMEDY}") from error
    if nobody_writes:
        raise InvalidArgumentError(f"FILE: {str(path)!r} is a FIFO that nobody writes to; {_REMEDY}")
    return text


def _open_at_once(path: str, flags: int) -> int:
    """Without waiting for whoever might write to it, where it is a FIFO."""
    without_waiting = getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags | without_waiting)
    if without_waiting:
        os.set_blocking(descriptor, True)  # whoever writes already is waited for
    return descriptor


def print_trace(trace: RLMTrace, *, in_full: bool) -> None:
    """On stdout: how the run went, and what came of it."""
    console = TerminalConsole(highlight=False, emoji=False)
    for text in trace_lines(trace, in_full=in_full):
        console.print(text, soft_wrap=True)
    if not (trace.answer or trace.citations):
        return
    console.print()
    result = RLMResult(
        answer=trace.answer,
        text=trace.answer,
        citations=tuple(trace.citations),
        evidence=Evidence.of(Found((), ())),
        stop_reason=trace.stop_reason,
        trace=trace,
    )
    try:
        print_answer(answer_text(result, with_iterations=True))
    except BrokenPipeError as error:
        raise ReaderGoneError(*error.args) from error


def write_page(trace: RLMTrace, source: Path, path: Path | None, name: Path) -> Path:
    """Write the page, and say where. Without a path: by that name with .html, where nothing else stands.

    Raises:
        InvalidArgumentError: It cannot be written there, or another file has the name that it would get.
    """
    page = name.with_suffix(".html") if path is None else path
    if path is None and page.exists() and not _is_page(page):
        raise InvalidArgumentError(f"--output: {str(page)!r} is there and is no page of a trace; pass another name")
    if page.exists() and page.samefile(source):
        raise InvalidArgumentError(f"--output: {str(page)!r} is the trace itself; pass another name")
    try:
        trace.to_html(page)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InvalidArgumentError(
            f"--output: {str(page)!r} cannot be written ({reason}); pass a file in an existing folder"
        ) from error
    return page


def _is_page(path: Path) -> bool:
    with path.open("rb") as file:
        return MARK.encode() in file.read(_HEAD_BYTES)
