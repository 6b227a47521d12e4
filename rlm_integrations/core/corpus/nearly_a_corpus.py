"""What users pass that is nearly a corpus, or a document of one, and what to pass in its place."""

from __future__ import annotations

import dataclasses
import io
import math
from collections.abc import AsyncIterable, Iterable, Mapping
from inspect import isawaitable
from typing import Any, cast

from pydantic import BaseModel

_MISSING = ("NAType", "NaTType")
"""What pandas has in place of a value, beside NaN."""
_RETRIEVES = ("_get_relevant_documents", "aretrieve")
"""By which retrievers of LangChain and of LlamaIndex are known."""
PAIRS = "of pairs of documents and scores pass the documents: [document for document, score in pairs]"


def named_kind(given: object) -> str:
    """What it is, in an error."""
    return f"the class {given.__name__}" if isinstance(given, type) else type(given).__name__


def is_no_collection(given: Any) -> bool:
    """Whether it holds no documents to iterate over: an open file gives its lines, a record or a model of pydantic its
    fields, and an array without a dimension nothing.
    """
    if not isinstance(given, Iterable) or isinstance(given, memoryview) or is_stream(cast("object", given)):
        return True
    items = cast("Iterable[object]", given)
    if hasattr(items.__class__, "_fields"):
        return True
    try:
        iter(items)
    except TypeError:
        return True
    return isinstance(items, BaseModel) and type(items).__iter__ is BaseModel.__iter__


def is_stream(given: object) -> bool:
    """Whether it is an open file, or what is read as one: to iterate over it gives its lines."""
    return isinstance(given, io.IOBase) or isinstance(getattr(given, "file", None), io.IOBase)


def remedy_for(given: object) -> str | None:
    """What to pass in its place; None where it is nearly nothing that is known."""
    if given is None:
        return "leave it out: [document for document in documents if document is not None]"
    if _is_missing(given):
        return "pandas has it where a text is missing: leave it out, series.dropna()"
    if any(callable(getattr(given, name, None)) for name in _RETRIEVES):
        return (
            "a retriever is a context by itself, of RLMRunnable, or by RLMQueryEngine.from_retriever: pass it alone; "
            "of several one that asks them all, or the documents that they find"
        )
    if isinstance(given, memoryview):
        return "decode it: bytes(data).decode()"
    if isinstance(given, (bytes, bytearray)):
        return "decode it: data.decode()"
    if is_stream(given):
        return "read it, and pass its text: file.read(); or pass Path(...), which names the document"
    if isinstance(given, type):
        return f"make an instance, {given.__name__}(...), and pass that or what it loads"
    if isawaitable(given):
        return "await it, and pass what it gives"
    if isinstance(given, AsyncIterable):
        return "collect it, and pass the list: [document async for document in it]"
    if callable(getattr(given, "as_retriever", None)):
        return "pass the documents that it holds, or a retriever of it"
    if load := _loads(given):
        return f"pass what it loads: {type(given).__name__}(...).{load}(), of several [*one.{load}(), *other.{load}()]"
    if callable(getattr(given, "as_string", None)):
        return "pass its text, blob.as_string(), or {name: blob.as_string()}"
    if hasattr(given, "source_nodes"):
        return "pass what it rests on, response.source_nodes, or its text, [str(response)]"
    if hasattr(given, "content") and (hasattr(given, "role") or hasattr(given, "type")):
        return "messages are a question: pass them as that, or as the corpus [message.content for message in messages]"
    if made := _as_dict(given):
        return f"pass a list of dicts, each {made}"
    if callable(given):
        return "call the function, and pass what it returns"
    if isinstance(given, tuple):
        return _remedy_for_tuple(cast("tuple[object, ...]", given))
    if isinstance(given, list):
        return "pass one flat list of documents, not a list of lists"
    return None


def remedy_for_value(given: object, mapping: Mapping[Any, Any]) -> str | None:
    """What to pass in place of a mapping that has this for a value; None where nothing is known."""
    if isinstance(given, (list, tuple)):
        if "ids" in mapping and "documents" in mapping:  # what a collection of Chroma gives
            return (
                'pass a dict for each: [{"id": name, "text": text} for name, text in zip(got["ids"], got["documents"])]'
            )
        return (
            "join what one name has, {name: '\\n'.join(texts)}; of columns pass the rows, [dict(zip(columns, row)) for "
            "row in zip(*columns.values())]"
        )
    if isinstance(given, Mapping):
        return "pass a dict with a text for each: [{'id': name, 'text': ...}]"
    if given is None:
        return "leave it out"
    return remedy_for(given)


def _is_missing(given: object) -> bool:
    return (isinstance(given, float) and math.isnan(given)) or type(given).__name__ in _MISSING


def _loads(given: Any) -> str | None:
    """The method by which a loader of LangChain, or a reader of LlamaIndex, gives its documents."""
    return next((name for name in ("load", "load_data") if callable(getattr(given, name, None))), None)


def _as_dict(given: object) -> str | None:
    """How a record becomes a dict."""
    if hasattr(type(given), "_fields") and isinstance(given, tuple):
        return "record._asdict()"
    if isinstance(given, BaseModel):
        return "record.model_dump()"
    return "dataclasses.asdict(record)" if dataclasses.is_dataclass(given) else None


def _remedy_for_tuple(given: tuple[object, ...]) -> str | None:
    if len(given) != 2 or not isinstance(given[0], str):
        return None
    if isinstance(given[1], str):
        return "of pairs of names and texts pass dict(pairs)"
    return PAIRS if isinstance(given[1], float) else None
