"""The value that a reply means, by the schema that it is to fit. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any, cast

from rlm_integrations.core.host.json_values import MOST_LEVELS, JsonValues, WrongSchemaError
from rlm_integrations.core.host.map_replies import NO_REPLY, first_paragraph, takes_back
from rlm_integrations.core.loop.embedded_json import embedded_json
from rlm_integrations.core.loop.near_json import mended_json, plain_values, unlike_fields, unwrapped
from rlm_integrations.core.prompts.texts import map_part
from rlm_integrations.core.wording import one_line

_YES_NO = {"yes": True, "true": True, "no": False, "false": False}
_BEFORE = " \t\n*_`\"'“”‘’.,;:|"
_AROUND = f"{_BEFORE}!"
_SHOWN_CHARS = 80
_MOST_CHARS = 200_000
"""Of a reply that is read as a value."""


class MapValues:
    """Reads what is said of items. Raises WrongSchemaError for a schema that cannot be checked."""

    def __init__(self, schema: dict[str, Any] | None) -> None:
        self._schema = schema
        self._values = JsonValues({} if schema is None else schema)
        self._choices = _choices(schema)
        self._kind = None if schema is None else schema.get("type")
        self._strings = _takes(schema, "string")
        self.takes_objects = _takes(schema, "object")
        self._spellings: dict[int, dict[str, str | None]] = {}
        """Of each enum, by its list: texts by what they are compared as; None where several are alike."""

    def form(self, lone: bool) -> str:
        """What a reply is, for the model; "" where any words are."""
        if self._schema is None:
            return ""
        if self._choices:
            what = map_part("form_choices", choices=", ".join(self._choices.values()))
        elif self._kind in ("boolean", "integer", "number", "null") and len(self._schema) == 1:
            what = map_part(f"form_{self._kind}")
        elif self._schema == {"type": "string"}:
            return ""
        else:
            what = map_part("form_schema", schema=json.dumps(self._schema, ensure_ascii=False))
        return map_part("form", whose="The" if lone else "Each", what=what)

    def read(self, words: str) -> tuple[Any, str | None]:
        """The value that the words mean, and why they mean none."""
        if not words.strip():
            return None, NO_REPLY
        if len(words) > _MOST_CHARS:
            return None, f"the reply has {len(words):,} characters"
        paragraph = first_paragraph(words)
        if self._schema is not None and not self._strings and takes_back(words):
            return None, "the reply takes back what it says first; say the last of it alone"
        if self._schema is None:
            return (paragraph, None) if paragraph else (None, NO_REPLY)
        if self._choices:
            lines = [paragraph, *paragraph.splitlines()[:1]]
            chosen = [self._choices[_folded(line)] for line in lines if _folded(line) in self._choices]
            return (chosen[0], None) if chosen else (None, f"the reply {_shown(paragraph)} is none of the choices")
        return self._typed(words, paragraph)

    def _typed(self, words: str, paragraph: str) -> tuple[Any, str | None]:
        first: str | None = None
        for value in self._candidates(words, paragraph):
            if _too_deep(value):  # it could not be handed on
                first = first or "it is nested too deeply"
                continue
            value = self._mended(value)
            why = self._values.misfit(value)
            if why is None:
                return value, None
            first = first or why
        return None, f"the reply {_shown(paragraph)} does not fit: {first or 'it is no JSON'}"

    def _candidates(self, words: str, paragraph: str) -> Iterator[Any]:
        """What the words may mean, the likeliest first. Checking takes long, so none comes of one text twice."""
        whole = words.strip()
        yield from _decoded(whole)
        if paragraph != whole:
            yield from _decoded(paragraph)
        if self._kind == "boolean" and _folded(paragraph) in _YES_NO:
            yield _YES_NO[_folded(paragraph)]
        if self._kind not in ("boolean", "integer", "number", "string"):
            yield from _embedded(words, known=(whole, paragraph))
        for text in plain_values(paragraph.partition("\n")[0], whole_numbers=self._kind == "integer"):
            yield from (value for value in _decoded(text) if value is None or isinstance(value, (int, float)))
        if paragraph == "None":
            yield None
        if self._strings:
            yield paragraph

    def _mended(self, value: Any) -> Any:
        """A whole number as int; choices within it as they are spelled in the schema."""
        if self._kind == "integer" and isinstance(value, float) and value.is_integer():
            return int(value)
        return self._respelled(value, self._schema)

    def _respelled(self, value: Any, schema: Any) -> Any:
        """The value with texts as an enum of the schema spells them: models change the case."""
        if not isinstance(schema, dict):
            return value
        of = cast("dict[str, Any]", schema)
        if isinstance(value, str) and isinstance(of.get("enum"), list):
            return self._spelling(of["enum"]).get(_folded(value)) or value
        if isinstance(value, list):
            return [self._respelled(item, of.get("items")) for item in cast("list[Any]", value)]
        if isinstance(value, dict):
            fields: Any = of.get("properties")
            known: dict[str, Any] = cast("dict[str, Any]", fields) if isinstance(fields, dict) else {}
            return {key: self._respelled(inner, known.get(key)) for key, inner in cast("dict[str, Any]", value).items()}
        return value

    def _spelling(self, enum: list[Any]) -> dict[str, str | None]:
        known = self._spellings.get(id(enum))
        if known is None:
            known = self._spellings[id(enum)] = {}
            for each in enum:
                if isinstance(each, str):
                    known[_folded(each)] = None if _folded(each) in known else each
        return known


def _embedded(words: str, known: tuple[str, ...]) -> Iterator[Any]:
    """The one object or array among words, unless its text is known; of several it is not known which is meant."""
    found = embedded_json(words)
    if len(found) > 1:
        return
    mended = mended_json(words)
    if mended is not None and mended not in found:
        found.append(mended)
    for text in found:
        if text not in known:
            yield from _decoded(text)
        for inner in unwrapped(text):
            yield from _decoded(inner)


def _decoded(text: str) -> Iterator[Any]:
    """The JSON value of the text, where it is one, and all numbers in it are, and no field stands in it twice."""
    try:
        yield json.loads(text, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=unlike_fields)
    except (ValueError, RecursionError):
        return


def _refuse(name: str) -> Any:
    raise ValueError(name)


def _finite(written: str) -> float:
    value = float(written)
    if not math.isfinite(value):
        raise ValueError(written)
    return value


def _choices(schema: dict[str, Any] | None) -> dict[str, str]:
    """The texts that a schema takes alone, by what a reply is compared as."""
    texts: Any = None if schema is None else schema.get("enum")
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in cast("list[Any]", texts)):
        return {}
    by_folded: dict[str, str] = {}
    for text in cast("list[str]", texts):
        if not _folded(text):
            raise WrongSchemaError(f"choices: {text!r:.80} has no word in it")
        if by_folded.setdefault(_folded(text), text) != text:
            raise WrongSchemaError(f"choices: {text!r:.80} differs from another by case or marks alone")
    return by_folded


def _takes(schema: Any, kind: str) -> bool:
    """Whether a value of that kind may fit."""
    if not isinstance(schema, dict):
        return False
    each = cast("dict[str, Any]", schema)
    kinds = each.get("type", ())
    return kind in ([kinds] if isinstance(kinds, str) else kinds) or any(
        _takes(inner, kind) for inner in each.get("anyOf", ())
    )


def _too_deep(value: Any) -> bool:
    """Whether lists and objects stand in each other in more levels than a schema can have."""
    level = [value]
    for _ in range(MOST_LEVELS + 1):
        level = [
            inner
            for each in level
            if isinstance(each, (list, dict))
            for inner in (cast("dict[str, Any]", each).values() if isinstance(each, dict) else cast("list[Any]", each))
        ]
    return bool(level)


def _folded(text: str) -> str:
    return " ".join(text.split()).lstrip(_BEFORE).rstrip(_AROUND).casefold()


def _shown(text: str) -> str:
    return repr(one_line(text, _SHOWN_CHARS))
