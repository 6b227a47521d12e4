"""Nothing that others wrote keeps the host: what reads texts of documents, replies or the REPL is linear and bounded.

`READERS` feeds each such function its worst shapes, and counts lines of the package that are executed and characters
that methods of str look at. Patterns are not seen by that: tests/test_patterns.py proves each of
the host.

Not repeated here: `parse_reply` (tests/core/loop/test_reply_parser.py), what `mark_citations` looks at
(tests/llama_index/test_citation_marks.py, test_prefixes.py), `find_evidence` over one corpus
(tests/core/trace/test_evidence.py), and frames without end (tests/sandboxes/test_inbound.py).
"""

from __future__ import annotations

import json
import random
import struct
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType, SimpleNamespace
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document as LangChainDocument
from langchain_core.messages import AIMessage
from langchain_core.retrievers import BaseRetriever
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from pydantic import BaseModel, BeforeValidator, Field

import rlm_integrations
from rlm_integrations import Completion, Message, RLMEngine, RLMLimits
from rlm_integrations.compare.agreement import words_of
from rlm_integrations.core.calls.model_calls import MAX_REPLY_CHARS
from rlm_integrations.core.calls.model_path import ModelPath
from rlm_integrations.core.calls.system_role import refuses_system_messages
from rlm_integrations.core.calls.thoughts import split_thoughts
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.description import describe
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.forms import read_documents
from rlm_integrations.core.corpus.own_ids import OwnIds
from rlm_integrations.core.corpus.question import read_question
from rlm_integrations.core.errors import RLMError
from rlm_integrations.core.host import later_lines
from rlm_integrations.core.host.map_replies import marked_replies, marks_in, stray_end
from rlm_integrations.core.host.map_values import MapValues
from rlm_integrations.core.language_model import ToolCall
from rlm_integrations.core.loop.answer_type import AnswerType
from rlm_integrations.core.loop.doubts import unfilled
from rlm_integrations.core.loop.final_argument import final_for
from rlm_integrations.core.loop.happenings import CodeRan
from rlm_integrations.core.loop.near_json import json_among, mended_json
from rlm_integrations.core.loop.observation import StepContext, observe
from rlm_integrations.core.loop.quotations import Quotations
from rlm_integrations.core.loop.talk_of_final import is_denied, is_planned, is_unsure, takes_back
from rlm_integrations.core.loop.unread_code import meant_to_run
from rlm_integrations.core.run.direct_evidence import proven
from rlm_integrations.core.surrogates import without_lone_surrogates
from rlm_integrations.core.trace.anchors import AnchorIndex
from rlm_integrations.core.trace.call_records import HostFunctionCall, ModelCall
from rlm_integrations.core.trace.citations import Citation, that_fit
from rlm_integrations.core.trace.data_flow import DataFlow
from rlm_integrations.core.trace.events import (
    CodeStarted,
    HostCallStarted,
    IterationStarted,
    RootReplied,
    SubCallStarted,
)
from rlm_integrations.core.trace.evidence import Evidence
from rlm_integrations.core.trace.heads import found_lines_in, heads_in
from rlm_integrations.core.trace.own_text import OwnTextFinder
from rlm_integrations.core.trace.recorder import Recorder
from rlm_integrations.core.trace.records import CodeExecution, Iteration, RLMTrace, SubCall
from rlm_integrations.core.trace.result import RLMResult
from rlm_integrations.core.usage import Usage
from rlm_integrations.core.wording import one_line
from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.langchain.graph_node import state_update
from rlm_integrations.langchain.response import to_message
from rlm_integrations.llama_index import RLMQueryEngine
from rlm_integrations.llama_index.citation_marks import mark_citations
from rlm_integrations.llama_index.documents import merge_nodes
from rlm_integrations.llama_index.node_spans import NodeSpan, NodeSpans
from rlm_integrations.llama_index.overlaps import overlap_of_neighbours, overlapping, overlaps_by_text
from rlm_integrations.llama_index.response import bounded
from rlm_integrations.openai.reply import completion_of
from rlm_integrations.openai.streaming import Folded
from rlm_integrations.repl.bounded_repr import bounded_repr
from rlm_integrations.sandboxes.channel.inbound import Messages
from rlm_integrations.sandboxes.channel.long_texts import ReceivedTexts
from rlm_integrations.sandboxes.channel.open_calls import held_bytes
from rlm_integrations.sandboxes.shell.exchange import read_answer
from rlm_integrations.sandboxes.shell.machine import Said
from rlm_integrations.sandboxes.shell_worker.relay import seal
from rlm_integrations.terminal import printable
from rlm_integrations.testing import ScriptedModel
from rlm_integrations.testing.langchain import ScriptedChatModel
from rlm_integrations.testing.llama_index import ScriptedLLM
from rlm_integrations.trace_page.card import card
from rlm_integrations.trace_page.page import page_of
from rlm_integrations.wire.calls import HostCall
from rlm_integrations.wire.inbound import ProtocolError, read_inbound
from rlm_integrations.wire.steps import AnswerState, CodeError, Output, StepDone

PACKAGE = str(Path(rlm_integrations.__file__).parent)
CHARS = 100_000
LONG = 10_000
"""Characters of what is read with work counted; a quarter of them is what it is held against."""
LIMITS = RLMLimits()


# -- what work is


class Work:
    """Lines of the package that were executed, and characters that methods of `Counted` looked at."""

    def __init__(self) -> None:
        self.done = 0

    def __enter__(self) -> Work:
        Counted.work, self._before = self, sys.gettrace()

        def enter(frame: FrameType, event: str, argument: object) -> Any:
            return count if frame.f_code.co_filename.startswith(PACKAGE) else None

        def count(frame: FrameType, event: str, argument: object) -> Any:  # once for each line: no method, nor a sum
            if event == "line":
                self.done += 1
            return count

        sys.settrace(enter)
        return self

    def __exit__(self, *raised: object) -> None:
        sys.settrace(self._before)
        Counted.work = Work()


class Counted(str):
    """A text that counts what of it is looked at. What its methods return counts as well."""

    work: Work = Work()

    def find(self, *arguments: Any) -> int:
        place = super().find(*arguments)
        start, end = self._bounds(arguments)
        Counted.work.done += (end if place < 0 else place) - start
        return place

    def rfind(self, *arguments: Any) -> int:
        place = super().rfind(*arguments)
        start, end = self._bounds(arguments)
        Counted.work.done += end - max(place, start)
        return place

    def _bounds(self, arguments: tuple[Any, ...]) -> tuple[int, int]:
        """Of a search, given what to search for, where to begin and where to end."""
        start, end = (*arguments[1:], *(0, len(self))[len(arguments) - 1 :])
        return min(start, len(self)), min(end, len(self))

    def __add__(self, other: str) -> Counted:
        return self._copied(super().__add__(other))

    def __radd__(self, other: str) -> Counted:
        return self._copied(other + str(self))

    def __getitem__(self, key: Any) -> Counted:
        return self._copied(super().__getitem__(key))

    def _copied(self, text: str) -> Counted:
        Counted.work.done += len(text)
        return Counted(text)

    def startswith(self, prefix: Any, *places: Any) -> bool:
        Counted.work.done += len(prefix)
        return super().startswith(prefix, *places)

    def _whole(self, result: Any) -> Any:
        Counted.work.done += len(self)
        return [Counted(each) for each in result] if isinstance(result, list) else result

    def strip(self, *chars: Any) -> Any:
        return Counted(self._whole(super().strip(*chars)))

    def split(self, *arguments: Any, **keywords: Any) -> Any:
        return self._whole(super().split(*arguments, **keywords))

    def splitlines(self, keepends: bool = False) -> Any:
        return self._whole(super().splitlines(keepends))

    def replace(self, *arguments: Any) -> Any:
        return Counted(self._whole(super().replace(*arguments)))

    def count(self, *arguments: Any) -> int:
        return self._whole(super().count(*arguments))

    def encode(self, *arguments: Any, **keywords: Any) -> bytes:
        return self._whole(super().encode(*arguments, **keywords))

    def __contains__(self, part: Any) -> bool:
        return self._whole(super().__contains__(part))


def work_of(read: Callable[[str], object], text: str) -> int:
    with Work() as work:
        read(Counted(text))
    return work.done


# -- the table


def step(output: str = "", error: str | None = None, variables: tuple[str, ...] = ()) -> StepDone:
    failure = None if error is None else CodeError(1, 1, error, error)
    return StepDone(Output(output), failure, AnswerState(refused=error), variables)


def observed(done: StepDone) -> str:
    return observe(CodeRan(done), StepContext(8, 20, "q" * 1_000, 1, 1, False, "tag", misfit=done.output.head))


def own_text(*documents: str) -> Callable[[str], object]:
    """Finds what of the documents a text holds; "{}" stands for the text itself, "{other}" for as long a one."""

    def read(text: str) -> object:
        other = "What a kiln is. " * (len(text) // 16)
        whole = (Counted(each.replace("{}", text).replace("{other}", other)) for each in documents)
        held = [Document(f"d{place}", each) for place, each in enumerate(whole)]
        corpus = Corpus(held)
        finder = OwnTextFinder(corpus, AnchorIndex(corpus.documents), (), "q")
        places = finder.places_in(text)
        Counted.work.done += finder.looked_at
        return places

    return read


def trace_of(text: str, calls: int = 1) -> RLMTrace:
    sub_calls = [SubCall(number=number, prompt=text, reply=text) for number in range(1, calls + 1)]
    host_calls = [HostFunctionCall(name="tool", arguments="a" * 2_000, result="r" * 2_000)] * calls
    execution = CodeExecution(blocks=[text], output=text, sub_calls=sub_calls, host_calls=host_calls)
    iteration = Iteration(number=1, call=ModelCall(prompt_chars=1), reply=text, execution=execution)
    return RLMTrace(question=text, context="c", limits=LIMITS, iterations=[iteration])


def result_of(trace: RLMTrace) -> RLMResult[str]:
    evidence = Evidence(trace, Corpus.of(None))
    return RLMResult(trace.answer, trace.answer, tuple(trace.citations), evidence, "answer", trace)


def frames_of(text: str) -> Iterator[bytes]:
    """The text as the frames of a worker that prints it in pieces of some bytes each."""
    for start in range(0, len(text), 20):
        body = json.dumps({"t": "output", "text": text[start : start + 20]}).encode()
        yield struct.pack(">I", len(body)) + body


def read_frames(text: str) -> None:
    messages = Messages()
    for frame in messages.feed(b"".join(frames_of(text))):
        read_inbound(frame, 1, 8_192)


def read_tool_call(text: str) -> None:
    args = [text[start : start + 10] for start in range(0, len(text), 10)]
    payload = {"name": "t", "args": args, "kwargs": {}}
    call = read_inbound({"t": "call", "id": 1, "name": "tool", "payload": payload}, 1, 1)
    assert isinstance(call, HostCall)
    held_bytes(call.call.to_payload())


def read_texts(text: str) -> None:
    texts = ReceivedTexts()
    pieces = [*str(text)]
    for start in range(0, len(pieces), 1_000):
        texts.add(pieces[start : start + 1_000])
    texts.put_back({"text": "", "pieces": [len(pieces)]})


def refuse_page(page: str) -> None:
    with pytest.raises(RLMError):
        completion_of(page, "http://localhost")


def fold(text: str) -> None:
    """The arguments of one call, as a server streams them."""
    folded = Folded()
    for start in range(0, len(text), 10):
        called = {"index": 0, "function": {"arguments": text[start : start + 10]}}
        folded.add(SimpleNamespace(choices=[{"index": 0, "delta": {"tool_calls": [called]}}]))
    folded.completion()


def leaf_nodes(text: str) -> None:
    """Chunks beside the node that holds them all, as a hierarchy of nodes has them."""
    root = _placed("root", text, 0)
    merge_nodes([root, *(_placed(f"n{at}", text[at : at + 50], at) for at in range(0, len(text) - 50, 50))])


def neighbours(text: str) -> None:
    """Two chunks whose positions say that they overlap by more than half."""
    first, second = _placed("a", text, 0), _placed("b", text[1:], 1)
    second.relationships[NodeRelationship.PREVIOUS] = RelatedNodeInfo(node_id="a")
    merge_nodes([first, second])


def _placed(name: str, text: str, start: int) -> TextNode:
    source = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id="source")}
    return TextNode(
        id_=name, text=str(text), start_char_idx=start, end_char_idx=start + len(text), relationships=source
    )


def marked(text: str) -> str:
    quotes = [
        Citation(cited_text="all alike " * 100 + str(n), start_index=n, end_index=n + 5, document_id="d")
        for n in range(50)
    ]
    return mark_citations(text, quotes, [[n + 1] for n in range(len(quotes))])


def model_path(text: str) -> None:
    path = ModelPath(ScriptedModel(["r"]), "llm", None)
    messages: list[Message] = []
    for start in range(0, len(text), 5_000):
        messages.append(Message("user", text[start : start + 5_000]))
        path._sendable(tuple(messages[-1:]))  # pyright: ignore[reportPrivateUsage]


CONTRACT_7 = Corpus.of({"contract 7": "The city agrees."})
READERS: dict[str, tuple[Callable[[str], object], dict[str, Callable[[int], str]]]] = {
    "Quotations.hold": (
        lambda text: Quotations([Message("user", text)]).hold(["```repl", "x", "```"]),
        {
            "blank lines": lambda n: "<output a>\n```" + "\n" * n,
            "tags that nothing closes": lambda n: "```\n" + "<output a>\n" * (n // 11),
            "tags that others close": lambda n: "```\n" + "<head a>\n</tail a>\n" * (n // 18),
            "an error of many lines": lambda n: "Step 1\nError ```" + "\n    x" * (n // 6),
            "backslashes": lambda n: "<output a>\n```" + "\\n" * (n // 2),
            "fences": lambda n: "<output a>\n" + "```repl\n" * (n // 8),
            "fences of no end": lambda n: "<output a>\n" + "```~~~" * (n // 6),
            "words passed on": lambda n: "Step 1\n```" + "x\n" * (n // 2),
            "words above a question": lambda n: "```" + "x\n" * (n // 2) + "\nQuestion:\n",
        },
    ),
    "Quotations.hold_commented": (
        lambda text: Quotations([Message("user", f"<output a>\n{text}")]).hold_commented(text + "x"),
        {
            "comments": lambda n: "#\n" * (n // 2),
            "margins": lambda n: "> | " * (n // 4),
            "margins of lines": lambda n: "> \n" * (n // 3),
            "lines left out": lambda n: "x\n...\n" * (n // 6),
            "backslashes": lambda n: "\\n" * (n // 2),
        },
    ),
    "observe, an output": (lambda text: observed(step(text)), {"lines": lambda n: "\n" * n}),
    "observe, an error": (
        lambda text: observed(step(error=text, variables=(text,))),
        {"lines": lambda n: "\n" * n, "line ends of all kinds": lambda n: "\x85\u2028\r" * (n // 3)},
    ),
    "page_of": (
        lambda text: page_of({"question": text, "iterations": [{"reply": text + "x", "n": each} for each in range(3)]}),
        {"ends of scripts": lambda n: "</script>\u2028" * (n // 10), "texts": lambda n: "x" * n},
    ),
    "card": (
        lambda text: card(RLMTrace(question=text, answer=text, context="", error=text, limits=LIMITS), text),
        {"markup": lambda n: "<\u202e\r\n" * (n // 4)},
    ),
    "describe": (
        lambda text: describe(Corpus.of({"a": text, "b\n": text}), LIMITS, b"key"),
        {"lines": lambda n: "[\n" * n},
    ),
    "describe, metadata": (
        lambda text: describe(
            Corpus.of([{"text": "x" * 9_000, "year": year, text[:9]: [text]} for year in range(len(text) // 100)][:50]),
            LIMITS,
            b"key",
        ),
        {"quotes": lambda n: "'" * n},
    ),
    "read_documents": (
        lambda text: read_documents([{"text": each, "m": [[each]]} for each in text.split(" ")]),
        {"words": lambda n: "word " * (n // 5)},
    ),
    "Corpus of equal ids": (
        lambda text: Corpus.of([{"id": each, "text": "x"} for each in text.split(" ")]).by_id,
        {
            "one id": lambda n: "word " * (n // 5),
            "ids that are taken": lambda n: "word " * (n // 10) + " ".join(f"word#{k}" for k in range(n // 20)),
        },
    ),
    "OwnIds of texts under one id": (
        lambda text: [*map(OwnIds(Corpus.of(None)).of, [Document("x", each) for each in text.split(" ")])],
        {"texts": lambda n: " ".join(map(str, range(n // 8)))},
    ),
    "marked_replies": (
        lambda text: marked_replies(text, {"1-abcd": 0, "2-abcd": 1}),
        {
            "marks": lambda n: "[1-abcd] a\n[2-abcd] b\n" * (n // 22),
            "marks of others": lambda n: "[3-abcd] a\n" * (n // 11),
            "what stands before a mark": lambda n: "[" * n,
            "halves of marks": lambda n: "\n- [1 -" * (n // 7),
            "a row of marks": lambda n: "|" + "1-abcd|" * (n // 7),
            "tags of marks": lambda n: "<a 1-abcd>" * (n // 10),
            "objects of marks": lambda n: '{"1-abcd": "a"}' * (n // 15),
            "headings": lambda n: "a:\n[1-abcd]\n" * (n // 12),
        },
    ),
    "stray_end": (
        lambda text: stray_end({0: "a", 1: text}),
        {
            "lines": lambda n: "\n" * n,
            "rules": lambda n: "\n---" * (n // 4),
            "half sentences": lambda n: "\n- if you" * (n // 9),
            "fences": lambda n: "```\n" * (n // 4),
        },
    ),
    "marks_in": (marks_in, {"marks": lambda n: "1-abcd" * (n // 6), "digits": lambda n: "1" * n}),
    "MapValues.read": (
        lambda text: MapValues({"type": "array", "items": {"enum": ["a", "b"]}}).read(text),
        {
            "choices": lambda n: "[" + "'A'," * (n // 4) + "]",
            "brackets": lambda n: "[" * n,
            "braces": lambda n: "{" * n,
            "keys": lambda n: '{"' * (n // 2),
            "lines": lambda n: "\n" * n,
            "near objects": lambda n: "{'a': 1,} " * (n // 10),
            "comments": lambda n: "[1, # a\n" * (n // 8),
        },
    ),
    "MapValues.read of a number": (
        lambda text: MapValues({"type": "integer"}).read(f"5\n{text}"),
        {
            "numbers": lambda n: "5\n" * (n // 2),
            "other numbers": lambda n: "".join(f"{k}.5\n" for k in range(n // 8)),
            "labels": lambda n: "answer: " * (n // 8),
            "half labels": lambda n: "answer" + " " * n,
            "bullets": lambda n: "- " * (n // 2),
            "conclusions": lambda n: "so " * (n // 3),
        },
    ),
    "MapValues.read of a text": (
        lambda text: MapValues({"type": "string"}).read(text),
        {"fences": lambda n: "```\n" * (n // 4), "words": lambda n: "answer: " * (n // 8)},
    ),
    "json_among": (
        json_among,
        {
            "brackets": lambda n: "[" * n,
            "objects": lambda n: "{} " * (n // 3),
            "near objects": lambda n: "{'a': [1],} " * (n // 12),
            "words in brackets": lambda n: "[a] " * (n // 4),
            "nests of words": lambda n: "[a" * (n // 4) + "]" * (n // 4),
            "citations": lambda n: "a [1] " * (n // 6),
            "what goes on": lambda n: "[1]" + " " * n,
            "comments": lambda n: "[1, // more\n" * (n // 12),
            "fences": lambda n: "```\n1\n" * (n // 6),
        },
    ),
    "AnswerType.misfit": (
        lambda text: AnswerType(list[int]).misfit(text, False),
        {
            "braces": lambda n: "{" * n,
            "objects": lambda n: "{} " * (n // 3),
            "thousands": lambda n: "[" + '"12.000",' * (n // 9) + "1]",
        },
    ),
    "DataFlow": (
        lambda text: DataFlow().follow(text),
        {
            "targets": lambda n: "".join(f"x{k}," for k in range(n // 8)) + "=0",
            "statements": lambda n: "".join(f"x{k}=context\n" for k in range(n // 14)),
        },
    ),
    "proven": (
        lambda text: proven(text, CONTRACT_7),
        {
            "brackets": lambda n: "<evidence>\n[" + "]" * n,
            "brackets behind a name": lambda n: "<evidence>\n[" + " | " * (n // 6) + "]" * (n // 2),
        },
    ),
    "words_of": (words_of, {"figures": lambda n: "1,0" * (n // 3), "articles": lambda n: "a " * (n // 2)}),
    "read_answer": (
        lambda text: read_answer(Said(text, cut=False), 0, 1_000),
        {
            "marks": lambda n: "rlm:" * (n // 4),
            "a line": lambda n: "rlm:" + "0" * n,
            "brackets": lambda n: seal(b"[" * n).decode(),
            "data": lambda n: seal(b'{"from":0,"data":"' + b"A" * n + b'"}').decode(),
        },
    ),
    "split_thoughts": (
        split_thoughts,
        {
            "tags that open": lambda n: "<think>\n" * (n // 8),
            "tags that close": lambda n: "a</think>" * (n // 9),
            "tags amid a line of words": lambda n: "a <think> and </think> b " * (n // 25),
            "tags that are opened amid words": lambda n: "a <think> " * (n // 20) + "</think> b " * (n // 22),
            "words before a tag": lambda n: "a" * (n // 2) + "*" * (n // 2) + " </think> b",
            "what tools say": lambda n: (
                "analysisI " + "a" * (n // 2) + "assistantcommentary to=a" + "a.to=" * (n // 10)
            ),
            "channels": lambda n: "<|channel|>analysis<|message|>" * (n // 30),
            "fences": lambda n: "```think\n" * (n // 9),
            "fences that close": lambda n: "```think\n```\n" * (n // 13),
            "stop tokens": lambda n: "</s>" * (n // 4),
        },
    ),
    "final_for": (
        lambda text: final_for(text, ("n",)),
        {
            "finals": lambda n: ")FINAL(" * (n // 7),
            "braces": lambda n: "{n}" * (n // 3),
            "dollars": lambda n: "$n" * (n // 2),
            "angles": lambda n: "<n>" * (n // 3),
            "values": lambda n: "'a'," * (n // 4),
            "words": lambda n: "<a" + " a" * (n // 2),
        },
    ),
    "meant_to_run": (
        lambda text: meant_to_run(
            text, "How many?", Quotations([Message("user", f"<output 6f>\n{text}\n</output 6f>")])
        ),
        {
            "names": lambda n: "FINAL" * (n // 5),
            "calls in a line": lambda n: "llm_query(" * (n // 10),
            "calls in lines": lambda n: "print(context\n" * (n // 14),
            "items": lambda n: "answer['" * (n // 8),
            "intents": lambda n: "I will search. " * (n // 15),
            "commands": lambda n: "```bash\n" * (n // 8),
        },
    ),
    "talk of an answer": (
        lambda text: (is_denied(text, text), is_unsure(text, text), is_planned("1. ", text), takes_back(text, text)),
        {
            "denials": lambda n: "I do not " * (n // 9),
            "conditions": lambda n: "if I, " * (n // 6),
            "items of a plan": lambda n: "1. a\n" * (n // 5),
            "sentences": lambda n: "Wait. Let me. " * (n // 14),
            "spaces": lambda n: " " * n,
            "formats": lambda n: "the final answer " * (n // 17),
        },
    ),
    "lines below a value": (
        later_lines.takes_back,
        {
            "lines": lambda n: "1" + "\n" * n + "x",
            "quoted lines": lambda n: "1" + "\n> " * (n // 3) + "x",
            "rules": lambda n: "1" + "\n---" * (n // 4) + "x",
            "spaces": lambda n: "1\n" + " " * n + "x",
        },
    ),
    "mended_json": (
        mended_json,
        {
            "quotes": lambda n: "[" + '"' * n,
            "escaped quotes": lambda n: "[" + '\\"' * (n // 2),
            "escaped apostrophes": lambda n: "[" + "\\'" * (n // 2),
            "comments that never end": lambda n: "[" + "/*" * (n // 2),
            "lines": lambda n: "[" + "\n" * n,
        },
    ),
    "unfilled": (
        lambda text: unfilled(text, ("n",), text),
        {"fields": lambda n: "{n!}" * (n // 4), "braces": lambda n: "{" * n, "words": lambda n: "n " * (n // 2)},
    ),
    "read_question": (
        lambda text: read_question([Message("user", text)], 2_000),
        {"spaces around": lambda n: " " + "x" * n + " ", "lines": lambda n: "\n" * n + "x"},
    ),
    "heads_in": (
        lambda text: [*heads_in(text)],
        {
            "heads in one line": lambda n: "[document " * (n // 10) + "\n",
            "heads": lambda n: "[document a]\n" * (n // 13),
            "heads that never end": lambda n: "[document a\n" * (n // 12),
            "separators": lambda n: "[document a" + " | " * (n // 3) + "]\n",
        },
    ),
    "found_lines_in": (
        lambda text: [*found_lines_in(text)],
        {
            "places": lambda n: "\na@1:x" * (n // 6),
            "places below each other": lambda n: "\na@1:\n  x" * (n // 9),
            "places that never end": lambda n: "@" + "1, " * (n // 3),
            "places in one line": lambda n: "\n " + "@1:" * (n // 3),
        },
    ),
    "own text, equal documents that hold their own heads": (
        own_text("{}", "{}"),
        {"heads": lambda n: "[document d0]\n" * (n // 14)},
    ),
    "own text, a document without words": (
        own_text("{}", "Something else."),
        {"signs": lambda n: "".join(random.Random(1).choices("-=+*/%&!?", k=n))},
    ),
    "own text, many heads of a long document": (
        own_text(" {other}"),
        {"heads": lambda n: "[document d0]\nfoo bar\n" * (n // 22)},
    ),
    "own text, a document that repeats itself": (
        own_text("A kiln that was lit. " * 500, "{}"),
        {
            "repeated": lambda n: "A kiln that was lit. " * (n // 21),
            "parts": lambda n: "that was lit. A kiln " * (n // 21),
        },
    ),
    "RLMResult.report": (
        lambda text: result_of(trace_of(str(text), calls=len(text) // 50)).report(),
        {"text": lambda n: "é" * n},
    ),
    "to_message": (
        lambda text: to_message(result_of(trace_of(str(text))), SimpleNamespace(), "full", typed=False),  # pyright: ignore
        {"halves of characters": lambda n: "\ud800" * n},
    ),
    "bounded_repr": (lambda text: bounded_repr([text] * 10_000, 2_000), {"quotes": lambda n: "'" * n}),
    "without_lone_surrogates": (
        without_lone_surrogates,  # it looks at 65,536 characters at once
        {"halves": lambda n: "\ud800" * 3 * n, "pairs": lambda n: "\ud83d\ude00" * (3 * n // 2)},
    ),
    "ModelPath": (model_path, {"halves of characters": lambda n: "\udfff" * n}),
    "Messages": (read_frames, {"small frames": lambda n: "x" * n, "escapes": lambda n: "\0" * n}),
    "read_call": (read_tool_call, {"small values": lambda n: "x" * n}),
    "ReceivedTexts": (read_texts, {"pieces of a character": lambda n: "x" * (n // 2)}),
    "Folded": (fold, {"calls of tools": lambda n: "x" * n}),
    "completion_of": (refuse_page, {"a page of spaces": lambda n: "x \n" * (n // 3)}),
    "refuses_system_messages": (
        lambda text: refuses_system_messages(ValueError(text)),
        {"words of it": lambda n: "system role " * (n // 12), "half of it": lambda n: "system" * (n // 6)},
    ),
    "mark_citations": (
        marked,
        {
            "what cite returned": lambda n: f"[[{'all alike ' * 100}7]] and " * (n // 1_010),
            "nearly what cite returned": lambda n: "[[all alike " * (n // 12),
            "quotes that are not": lambda n: "all alike " * (n // 10),
            "brackets": lambda n: "[" * n,
            "spaces": lambda n: " \n" * (n // 2),
        },
    ),
    "merge_nodes, a hierarchy": (leaf_nodes, {"text": lambda n: "".join(random.Random(1).choices("ab \n", k=n))}),
    "merge_nodes, neighbours": (
        neighbours,
        {
            "one character": lambda n: "a" * n,
            "nearly": lambda n: "a" * n + "z",
            "periods": lambda n: "ab" * (n // 2) + "c",
        },
    ),
    "bounded": (
        lambda text: bounded({f"{at}": text[at : at + 100] for at in range(0, len(text), 100)}),
        {"text": lambda n: "é" * n},
    ),
    "printable": (
        printable.printable,
        {"directions": lambda n: "\u202e" * n, "joiners": lambda n: "é\u200d" * (n // 2)},
    ),
    "printable.one_line": (printable.one_line, {"lines": lambda n: "\r\n\t" * (n // 3)}),
    "printable.one_sentence": (printable.one_sentence, {"words": lambda n: "a " * (n // 2)}),
    "printable.printable_json": (printable.printable_json, {"directions": lambda n: "\u202e" * n}),
    "one_line": (one_line, {"lines": lambda n: "\n" * n}),
}
SHAPES = [(name, shape) for name, (_, shapes) in READERS.items() for shape in shapes]


@pytest.mark.parametrize(("name", "shape"), SHAPES)
def test_reading_takes_work_in_proportion_to_the_text(name: str, shape: str) -> None:
    read, shapes = READERS[name]
    short, long = shapes[shape](LONG // 4), shapes[shape](LONG)
    assert len(long) >= LONG * 0.4
    read(short)  # what is made once
    assert work_of(read, long) <= 1.3 * len(long) / len(short) * work_of(read, short) + 2_000


def with_open_calls(count: int) -> Recorder:
    """Of a run that ends while so many sub-calls, and a call of a tool by each of them, are open."""
    recorder = Recorder("?", RLMLimits())
    recorder.record(IterationStarted(1, 20, model="root"))
    recorder.record(RootReplied(1, "code", Usage()))
    recorder.record(CodeStarted(1, ("llm_query_batched(prompts)",)))
    for number in range(1, count + 1):
        recorder.record(SubCallStarted(1, number, "?", model="sub"))
        recorder.record(HostCallStarted(1, number, "tool", "()", sub_call=number))
    return recorder


def test_the_ends_of_calls_that_are_cut_off_take_work_in_proportion_to_them() -> None:
    done: dict[int, int] = {}
    for count in (250, 1_000):
        recorder = with_open_calls(count)
        with Work() as work:
            for end in recorder.cut_off(1.0):
                recorder.record(end)
        done[count] = work.done
        assert all(call.tool_calls for call in recorder.trace.executions[0].sub_calls)
    assert done[1_000] <= 1.1 * 4 * done[250]


# -- what is kept and looked at is bounded


def test_citations_that_do_not_fit_are_not_written_to_see_that() -> None:
    citations = [{"cited_text": Counted("x" * 20_000), "start_index": n} for n in range(100)]
    written: list[str] = []

    class Seen(dict[str, Any]):
        def items(self) -> Any:
            written.append("x")
            return super().items()

    assert len(that_fit([Seen(each) for each in citations], 50_000)) == 2
    assert len(written) <= 3


def test_of_metadata_no_more_is_looked_at_than_is_shown() -> None:
    looked: list[object] = []

    class Odd:
        def __str__(self) -> str:
            looked.append(self)
            return "odd"

    document = Document("a", "x" * 9_000, {f"key {n}": Odd() for n in range(10_000)})
    corpus = Corpus([document, Document("b", "y")])
    told = describe(corpus, LIMITS, b"key")
    assert 'metadata {"key 0": "odd", "key 1": "odd"' in told
    assert len(looked) < 2_000


def test_the_message_of_a_node_is_bounded_whatever_was_cited() -> None:
    trace = trace_of("x")
    trace.citations = [
        Citation(cited_text="é" * 20_000, start_index=n, end_index=n + 20_000, document_id="d") for n in range(1_000)
    ]
    update = state_update(AIMessage("a"), result_of(trace))
    assert len(update["messages"][0].model_dump_json()) < 16_384


def test_of_a_long_answer_with_wrong_items_no_more_than_the_first_are_read() -> None:
    read: list[object] = []

    def note(value: object) -> object:
        read.append(value)
        return value

    class Row(BaseModel):
        place: Annotated[int, BeforeValidator(note)]
        more: list[Annotated[int, BeforeValidator(note)]] = Field(default=[])

    class Table(BaseModel):
        rows: list[Row]

    rows = ",".join(['{"place": "x", "more": ["x", "y", "z"]}'] * (CHARS // 40))
    why = AnswerType(Table).misfit(f'{{"rows": [{rows}]}}', True)
    assert why is not None
    assert why.startswith("rows.0.place: Input should be a valid integer")
    assert why.endswith("; maybe others")
    assert len(read) == 2
    assert AnswerType(Table).misfit('{"rows": [' + ",".join(['{"place": 1}'] * (CHARS // 13)) + "]}", True) is None


def test_an_answer_that_would_take_long_to_read_is_a_misfit() -> None:
    why = AnswerType(list[int]).misfit(f"[{'1,' * 2_000_000}1]", True)
    assert why == "answer: 4,000,003 characters; at most 4,000,000 are read, so answer with less"


@pytest.mark.parametrize("wrong", ["[{}]", "{}"])
def test_of_an_answer_with_thousands_of_problems_they_are_not_listed_to_show_three(wrong: str) -> None:
    class Wide(BaseModel):
        a: int
        b: int
        c: int

    answer_type: Any = dict[str, list[Wide]] if wrong == "[{}]" else list[Wide]
    entries = (f'"{n}":{wrong}' for n in range(CHARS)) if wrong == "[{}]" else (wrong for _ in range(1_500))
    brackets = "{}" if wrong == "[{}]" else "[]"
    text = brackets[0] + ",".join(entries) + brackets[1]
    why = AnswerType(answer_type).misfit(text, True)
    assert why is not None
    if wrong == "{}":
        assert why == "0.a: Field required; 0.b: Field required; 0.c: Field required; maybe others"
    else:
        assert why == "answer: 300,000 problems; it has another form than the schema"


@given(st.text(st.sampled_from("a\ud800\udbff\udc00\udfff😀é"), max_size=12), st.integers(0, 3))
def test_every_half_of_a_character_that_is_alone_is_replaced_wherever_the_text_is_cut(text: str, shift: int) -> None:
    whole = "x" * ((1 << 16) - shift) + text
    expected = whole.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert without_lone_surrogates(whole) == expected


def test_pieces_without_number_are_refused() -> None:
    body = json.dumps({"t": "texts", "texts": ["x"] * 30_000}).encode()
    with pytest.raises(ProtocolError, match="too many pieces"):
        list(Messages().feed((struct.pack(">I", len(body)) + body) * 3))


@given(st.text(st.sampled_from("ab"), max_size=60), st.text(st.sampled_from("ab"), max_size=60))
def test_of_neighbours_in_repetitive_text_the_smallest_overlap_counts(before: str, text: str) -> None:
    most = min(len(before), len(text)) // 2
    claimed = min(len(before), len(text))
    if claimed > most:
        smallest = [size for size in range(16, most + 1) if before.endswith(text[:size])]
        otherwise = claimed if claimed < len(text) else 0
        found = overlap_of_neighbours(before, text, claimed, linked=True)
        assert found == (min(smallest, default=otherwise), bool(smallest))


@given(st.text(st.sampled_from("ab"), max_size=90), st.text(st.sampled_from("ab"), max_size=90), st.integers(0, 60))
def test_overlaps_of_texts_without_positions_are_all_found(first: str, second: str, shared: int) -> None:
    before, text = first + second[:shared], second
    most = min(len(before), len(text)) - 1
    expected = [size for size in range(16, most + 1) if before.endswith(text[:size])]
    assert sorted(overlaps_by_text(before, text)) == expected


def test_overlaps_of_long_texts_that_repeat_themselves_are_found_in_linear_time() -> None:
    def work(count: int) -> int:
        with Work() as looking:
            assert len(overlaps_by_text("a" * count, "a" * count)) == count - 16
        return looking.done

    assert work(20_000) < 11 * work(2_000)


@pytest.mark.parametrize("text", ["a" * 500, "ab" * 250, "".join(f"{number:07}" for number in range(70))])
def test_texts_that_go_on_each_other_are_found_in_linear_time_however_they_are_alike(text: str) -> None:
    def work(count: int) -> int:
        with Work() as looking:
            found = list(overlapping([text + f" {number}." for number in range(count)] + [text] * count))
            assert not any(each.sure for each in found)
        return looking.done

    assert work(150) < 11 * work(15)


def test_a_span_over_all_others_makes_none_of_them_slow_to_find() -> None:
    node = TextNode(text="x")

    def work(count: int) -> int:
        spans = NodeSpans(
            [NodeSpan(0, 10 * count, node), *(NodeSpan(n, n + 10, node) for n in range(0, 10 * count, 10))]
        )
        with Work() as looking:
            for at in range(0, 10 * count, count // 2):
                assert len(spans.touching(at, at + 3)) == 2
        return looking.done

    assert work(16_000) <= 2 * work(1_000)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (
            Completion("x" * (MAX_REPLY_CHARS + 1), Usage(output_tokens=7)),
            "the reply has 10,000,001 characters, and at most 10,000,000 are taken",
        ),
        (
            Completion(
                "x" * 9, Usage(output_tokens=7), thoughts="x" * 9_000_000, tool_calls=(ToolCall("f", " " * 1_000_000),)
            ),
            "the reply has 10,000,010 characters, and at most 10,000,000 are taken",
        ),
        (
            Completion("x", Usage(output_tokens=7), tool_calls=(ToolCall("f"),) * 1_001),
            "the reply calls 1,001 tools, and at most 1,000 are taken",
        ),
    ],
    ids=["text", "text, thoughts and calls", "calls"],
)
async def test_a_reply_that_no_model_writes_is_refused_before_it_is_kept(reply: Completion, words: str) -> None:
    sub = ScriptedModel(always=lambda messages: reply)
    code = "try: llm_query('q')\nexcept Exception as e: answer['content'] = str(e)\nanswer['ready'] = True"
    result = await RLMEngine(ScriptedModel([f"```repl\n{code}\n```"]), sub_llm=sub).arun("?", "x" * 9_000)
    assert words in result.text
    assert result.trace.executions[0].sub_calls[0].reply is None
    assert result.trace.usage.output_tokens >= 7


# -- a whole run over documents of one form

CLAUSE = "The parties agree that all notices under this contract are to be given in writing, and signed. "
READ_ALL = """
parts = chunks(context)
replies = llm_query_batched(parts)
for hit in search("No. 7"): print(hit)
answer["content"] = f"{len(parts)} parts"
answer["ready"] = True
"""


def contract(number: int) -> str:
    return f"CONTRACT between the city and the builder\n{CLAUSE * 2}\nNo. {number}\n{CLAUSE}"


async def test_a_run_over_thousands_of_contracts_of_one_form_takes_work_in_proportion() -> None:
    looked_at: dict[int, int] = {}
    for count in (300, 1_200, 2_400):
        engine = RLMEngine(
            ScriptedModel([f"```repl\n{READ_ALL}\n```"]), sub_llm=ScriptedModel(always=lambda messages: "nothing found")
        )
        corpus = Corpus.of({f"c{number}": contract(number) for number in range(count)})
        result = await engine.arun("Which contracts are signed?", corpus)
        found = await result.evidence.find_async()
        assert len(found.sources) == count
        looked_at[count] = found.looked_at
    assert looked_at[1_200] <= 1.1 * 4 * looked_at[300]
    assert looked_at[2_400] <= 1.1 * 8 * looked_at[300]


# -- what is done on the caller's loop does not grow

SET = "answer['content'] = {}\nanswer['ready'] = True"


Run = Callable[[], Awaitable[None]]


def over_documents(count: int) -> Run:
    """Beside a question that is a document itself, so that the corpus is joined anew."""
    corpus = Corpus.of([{"id": f"c{number}", "text": contract(number), "year": number} for number in range(count)])

    async def run() -> None:
        engine = RLMEngine(ScriptedModel([f"```repl\n{SET.format('len(context)')}\n```"]))
        assert (await engine.arun("x" * 30_000 + "Which are signed?", corpus)).text == str(count + 1)

    return run


def with_a_tool(count: int) -> Run:
    async def rows() -> list[int]:
        """Many rows."""
        return [1] * count

    async def run() -> None:
        engine = RLMEngine(ScriptedModel([f"```repl\n{SET.format('len(rows())')}\n```"]), tools=[rows])
        assert (await engine.arun("?", "x" * 9_000)).text == str(count)

    return run


def with_a_tool_and_a_journal(count: int) -> Run:
    async def rows() -> list[int]:
        """Many rows."""
        return [1] * (8 * count)

    async def run() -> None:
        with TemporaryDirectory() as folder:
            model = ScriptedModel([f"```repl\n{SET.format('len(rows())')}\n```"])
            engine = RLMEngine(model, tools=[rows], journal=Path(folder, "journal"))
            assert (await engine.arun("?", "x" * 9_000)).text == str(8 * count)

    return run


def with_a_typed_answer(count: int) -> Run:
    class Row(BaseModel):
        place: Annotated[int, BeforeValidator(lambda value: value)]

    async def run() -> None:
        code = SET.format(f"[{{'place': 1}}] * {count}")
        engine = RLMEngine(ScriptedModel([f"```repl\n{code}\n```"]), answer_type=list[Row])
        assert len((await engine.arun("?", "x" * 9_000)).answer) == count

    return run


def with_the_sources_of_langchain(count: int) -> Run:
    code = f"print(context[7]['text'])\n{SET.format('1')}"
    contracts = {f"c{number}": contract(number) for number in range(count)}
    chain = RLMRunnable(llm=ScriptedChatModel([f"```repl\n{code}\n```"]), context=contracts).with_sources()

    async def run() -> None:
        given_back = await chain.ainvoke("Which contract is signed?")
        assert [document.id for document in given_back["context"]] == ["c7"]

    return run


def with_the_metadata_of_llama_index(count: int) -> Run:
    metadata = {f"{number}": number for number in range(count // 8)}  # LlamaIndex takes their square for a node
    nodes = [TextNode(id_=f"n{number}", text=contract(number), metadata=metadata) for number in range(4)]
    for node in nodes:
        node.excluded_llm_metadata_keys = [*metadata]
    engine = RLMQueryEngine.from_nodes(nodes, llm=ScriptedLLM(["All of them."]))

    async def run() -> None:
        response = await engine.aquery("Which are signed?")
        assert len(response.source_nodes) == 4

    return run


def with_a_retriever_of_langchain(count: int) -> Run:
    hits = [LangChainDocument(contract(number), metadata={"source": f"{number}"}) for number in range(count)]

    class Archive(BaseRetriever):
        def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[LangChainDocument]:
            return hits

        async def _aget_relevant_documents(self, query: str, *, run_manager: Any) -> list[LangChainDocument]:
            return hits if query == "more" else hits[:10]

    code = SET.format("len(retrieve('more'))")
    chain = RLMRunnable(llm=ScriptedChatModel([f"```repl\n{code}\n```"]), context=Archive())

    async def run() -> None:
        assert (await chain.ainvoke("Which are signed?")).content == str(count)

    return run


@pytest.mark.parametrize(
    "prepared",
    [
        over_documents,
        with_a_retriever_of_langchain,
        with_a_tool,
        with_a_tool_and_a_journal,
        with_a_typed_answer,
        with_the_sources_of_langchain,
        with_the_metadata_of_llama_index,
    ],
)
async def test_the_callers_loop_does_no_more_for_a_run_over_more(prepared: Callable[[int], Run]) -> None:
    await prepared(2_000)()  # what is done once
    done: list[int] = []
    for count in (2_000, 16_000):
        run = prepared(count)
        with Work() as on_the_loop:
            await run()
        done.append(on_the_loop.done)
    assert done[1] <= 1.5 * done[0]
