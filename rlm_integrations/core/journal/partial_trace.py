"""What a journal tells of a run, as a trace: the whole one of a run that has ended, else what was kept so far."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from pydantic import ValidationError

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.journal.claims import ABOUT, END
from rlm_integrations.core.journal.documents import kept_rows
from rlm_integrations.core.journal.kept_code import KeptCode
from rlm_integrations.core.journal.reading import KeptRow
from rlm_integrations.core.journal.rows import Row, to_step, trace_json
from rlm_integrations.core.journal.run_journal import REFUSED, STEP
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.loop.observation import output_text
from rlm_integrations.core.loop.outcomes import error_line
from rlm_integrations.core.trace.call_records import Fold, HostFunctionCall, ModelCall, TraceMessage
from rlm_integrations.core.trace.records import CodeExecution, Iteration, RLMTrace, SubCall
from rlm_integrations.core.trace.redaction import withheld_words
from rlm_integrations.core.usage import Usage
from rlm_integrations.core.wording import plural
from rlm_integrations.wire.steps import ReplLost

_MOST_BYTES = 1 << 30
"""Of what is packed in one row."""
_RESULT_CHARS = 2_000
_RESULTS = 50
"""Documents, of which no more are shown in so many characters."""
_NO_END = "CancelledError: the run ended first"
_ITERATION = re.compile(r"([0-9]{1,6}+)(?>( last)?)")
_SUB_CALLS = ("llm_query", "rlm_query")
_HOST_CALLS = ("tool", "retrieve")


def trace_of(rows: Iterable[KeptRow], *, contents: bool) -> RLMTrace:
    """The trace. Of a run without an end it says what is known: no times, and no prompts, of which hashes are kept.

    Where `contents` are off, sizes and hashes stand for texts, and tokens are unknown.

    Raises InvalidArgumentError for what no journal would have kept.
    """
    try:
        tree, end = _Tree(), None
        for row in rows:
            end = row if row.key == END else None  # after which it may have gone on, under a larger limit
            tree.put(row.key.split("|"), row)
        if contents and end is not None:
            return _whole(_read(end))
        about = tree.below.pop(ABOUT, _Tree()).row
        return _Reading(contents).trace(tree, about)
    except (ValidationError, ValueError, TypeError, LookupError, AttributeError, RecursionError, zlib.error) as error:
        raise InvalidArgumentError(
            f"journal: what it has of the run is damaged, or of another version ({type(error).__name__})"
        ) from error


def _whole(end: Row) -> RLMTrace:
    trace = RLMTrace.model_validate_json(trace_json(end))
    trace.answer = str(end["action"]["text"])  # which stands there once
    return trace


@dataclass(slots=True)
class _Tree:
    """Rows by the parts of their keys."""

    row: KeptRow | None = None
    below: dict[str, _Tree] = field(default_factory=dict[str, "_Tree"])

    def put(self, path: list[str], row: KeptRow) -> None:
        at = self
        for part in path:
            at = at.below.setdefault(part, _Tree())
        at.row = row


def _read(row: KeptRow) -> Row:
    value = row.value
    if value[:1] != b"{":
        packed = zlib.decompressobj()
        value = packed.decompress(value, _MOST_BYTES)
        if packed.unconsumed_tail:
            raise ValueError("it is too long")
    return json.loads(value)


class _Reading:
    def __init__(self, contents: bool) -> None:
        self._contents = contents
        self._by_tool = False

    def trace(self, tree: _Tree, about: KeptRow | None = None) -> RLMTrace:
        """Of an RLM: that of the run, or of a child, which has no row about it."""
        told = self._row(about)
        if about is not None:
            self._by_tool = told.get("protocol") == "tool"
        steps = sorted(_iterations(tree).items())
        shown = [self._shown(each) for _, (each, _) in steps]
        code = KeptCode(by_tool=self._by_tool)
        made: list[Iteration] = []
        for (number, (each, last_call)), then in zip(steps, shown, strict=True):
            code.show(then)
            if made:
                made[-1].observation = then
            made.append(self._iteration(number, each, code, last_call=last_call, is_last=len(made) + 1 == len(steps)))
        return RLMTrace(
            question=told.get("question", self._withheld(about)),
            context=told.get("context", ""),
            limits=RLMLimits(**told.get("limits", {})),
            opening=[TraceMessage(role="user", content=shown[0])] if shown and shown[0] else [],
            iterations=made,
            answer=next((said for each in reversed(steps) if (said := self._answer(each[1][0]))), ""),
            contents=self._contents,
        )

    def _iteration(self, number: int, tree: _Tree, code: KeptCode, *, last_call: bool, is_last: bool) -> Iteration:
        kept = tree.below.get("root", _Tree()).row
        row = self._row(kept)
        reply = row.get("text", self._withheld(kept))
        calls = self._sub_calls(tree)
        step = tree.below.get(STEP, _Tree()).row
        ran = step is not None or bool(calls)
        blocks = code.blocks(row) if ran or is_last else []  # the end of a step is kept before the next reply is
        execution = self._execution(blocks, step, code) if blocks or ran else None
        if execution is not None:
            for place, call in enumerate(calls, 1):
                call.number = place
            execution.sub_calls, execution.host_calls = calls, self._host_calls(tree)
        folds = [each.row for name, each in tree.below.items() if name.startswith("fold ")]
        return Iteration(
            number=number,
            call=_model_call(row),
            reply=reply,
            execution=execution,
            last_call=last_call,
            folds=[Fold(call=_model_call(self._row(each)), up_to=number - 1, reply=self._text(each)) for each in folds],
        )

    def _execution(self, blocks: list[str], step: KeptRow | None, code: KeptCode) -> CodeExecution:
        if step is None:
            return CodeExecution(blocks=blocks, error=_NO_END)
        row = self._row(step)
        if not row:
            return CodeExecution(blocks=blocks, output=self._withheld(step))
        outcome = to_step(row)
        code.end(outcome)
        output = output_text(outcome.output)
        if isinstance(outcome, ReplLost):
            return CodeExecution(blocks=blocks, output=output, lost=outcome.reason)
        error = None if outcome.error is None else error_line(outcome.error)
        return CodeExecution(blocks=blocks, output=output, error=error, variables=list(outcome.variables))

    def _sub_calls(self, tree: _Tree) -> list[SubCall]:
        """Of one step, and of what its calls came to; a call that was refused was not sent."""
        calls: list[SubCall] = []
        for name, each in tree.below.items():
            function = name.partition(" ")[0]
            if function in _SUB_CALLS:
                calls += self._sub_call(each)
            elif " " in name and function not in _HOST_CALLS:
                calls += self._sub_calls(each)
        return calls

    def _sub_call(self, tree: _Tree) -> list[SubCall]:
        if _iterations(tree):
            child = self.trace(tree)
            return [SubCall(number=0, prompt="", reply=child.answer or None, child=child)]
        asked = [each.row for name, each in tree.below.items() if name != REFUSED and name.isdigit() and each.row]
        if not asked:
            return []
        rows = [self._row(each) for each in asked]
        last = rows[-1]
        return [
            SubCall(
                number=0,
                prompt="",
                reply=last.get("text", self._withheld(asked[-1]) or None),
                error=last.get("failure"),
                model=last.get("model"),
                usage=sum((Usage(**row.get("usage", {})) for row in rows), Usage()),
                thoughts=last.get("thoughts", ""),
                finish=last.get("finish"),
                cached=last.get("cached", False),
                requests=len(rows),
                tool_calls=self._host_calls(tree),
            )
        ]

    def _host_calls(self, tree: _Tree) -> list[HostFunctionCall]:
        calls: list[HostFunctionCall] = []
        for name, each in tree.below.items():
            function = name.partition(" ")[0]
            if function not in _HOST_CALLS:
                continue
            for kept in [each.row, *(below.row for place, below in each.below.items() if place != REFUSED)]:
                if kept is not None:
                    row = self._row(kept)
                    result = _result_of(function, row) if "value" in row else self._withheld(kept)
                    error = row.get("failure")
                    calls.append(
                        HostFunctionCall(
                            name=function, arguments="", error=error, result=result if error is None else None
                        )
                    )
        return calls

    def _shown(self, tree: _Tree) -> str:
        """What the root LM was shown before the iteration."""
        return self._row(tree.below.get("root", _Tree()).row).get("shown") or ""

    def _answer(self, tree: _Tree) -> str:
        """What stood in the answer when the step ended."""
        said = self._row(tree.below.get(STEP, _Tree()).row).get("answer", {}).get("content", "")
        return said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)

    def _row(self, kept: KeptRow | None) -> Row:
        return _read(kept) if kept is not None and self._contents else {}

    def _text(self, kept: KeptRow | None) -> str:
        return self._row(kept).get("text", self._withheld(kept))

    def _withheld(self, kept: KeptRow | None) -> str:
        """What stands for a text where hashes alone were kept."""
        if kept is None or self._contents:
            return ""
        return withheld_words(plural(kept.size, "byte"), kept.value.hex())


def _result_of(function: str, row: Row) -> str:
    """As code had it: of a document without what is kept beside it."""
    value = row["value"]
    if function == "retrieve":
        first = islice(kept_rows(value), _RESULTS)
        value = [{name: each[name] for name in each if name != "item"} for each in first]
    return repr(value)[:_RESULT_CHARS]


def _iterations(tree: _Tree) -> dict[int, tuple[_Tree, bool]]:
    """By their number, and whether they are the root LM's last call. After one under an old limit a run may go on."""
    found: dict[int, tuple[_Tree, bool]] = {}
    for name, each in _numbered(tree):
        number, last_call = int(name[1]), bool(name[2])
        if number and (number not in found or not last_call) and {"root", STEP} & each.below.keys():
            found[number] = each, last_call
    return found


def _numbered(tree: _Tree) -> Iterator[tuple[re.Match[str], _Tree]]:
    for name, each in tree.below.items():
        if (found := _ITERATION.fullmatch(name)) is not None:
            yield found, each


def _model_call(row: dict[str, Any]) -> ModelCall:
    names = ("model", "thoughts", "finish", "cached")
    return ModelCall(
        prompt_chars=0,
        error=row.get("failure"),
        usage=Usage(**row.get("usage", {})),
        **{name: row[name] for name in names if name in row},
    )
