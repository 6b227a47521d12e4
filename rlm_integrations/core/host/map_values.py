"""The value that a reply means, by the schema that it is to fit. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

from rlm_integrations.core.host.json_values import JsonValues, MaybeThousands, WrongSchemaError
from rlm_integrations.core.host.map_replies import NO_REPLY, STRAY, marked_text, unfenced, whole_text
from rlm_integrations.core.host.reply_json import as_floats, decoded, embedded, too_deep
from rlm_integrations.core.loop.later_lines import named_below, takes_back
from rlm_integrations.core.loop.near_json import has_gap, json_among, unwrapped
from rlm_integrations.core.loop.plain_value import bare, first_paragraph, plain_values, value_among
from rlm_integrations.core.prompts.texts import map_part
from rlm_integrations.core.wording import one_line

_YES_NO = {"yes": True, "true": True, "no": False, "false": False}
_BEFORE = " \t\n*_`\"'“”‘’«»『』【】.,;:|"
_AROUND = f"{_BEFORE}!"
_NOTHING = ("none", "null")
_ANOTHER = "the reply names more than one value; say the one that is meant, alone"
_SHOWN_CHARS = 80
"""Of a value in a line of words."""
_MOST_OTHERS = 50
"""Of values beside one that was read."""
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
        self._booleans = _takes(schema, "boolean")
        self._whole_numbers = _takes(schema, "integer") and not _takes(schema, "number")
        self.takes_objects = _takes(schema, "object")
        self.takes_words = _takes_words(schema)
        """Whether a value may be any text."""
        self._structured = self.takes_objects or _takes(schema, "array") or _refers(schema) or not self.takes_words
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

    def read(self, words: str, *, lone: bool = True, ends_at_mark: bool = False) -> tuple[Any, str | None]:
        """The value that the words mean, and why they mean none. `lone`: whether they are all of a reply;
        `ends_at_mark`: whether the mark of another item follows.
        """
        if not words.strip():
            return None, NO_REPLY
        if len(words) > _MOST_CHARS:
            return (
                None,
                f"the reply has {len(words):,} characters, and at most {_MOST_CHARS:,} are read; say less",
            )
        text = unfenced(words)
        if self.takes_words:
            all_of_it = whole_text(words) if lone else marked_text(words, ends_at_mark=ends_at_mark)
            if all_of_it is None:
                return None, STRAY
            text = all_of_it
        elif takes_back(words):
            return None, "the reply takes back what it says first; say the last of it alone"
        elif has_gap(words):
            return None, "an item of the list stands for others that were left out; list all of them"
        if self._schema is None:
            return (text, None) if text else (None, NO_REPLY)
        return self._first(words, text)

    def _first(self, words: str, text: str) -> tuple[Any, str | None]:
        """The likeliest that fits, if nothing below it is another."""
        if self.takes_words and (nothing := _nothing_in(text)) is not None and self._values.misfit(None) is None:
            return None, None if nothing else _ANOTHER
        misfit: str | None = None
        for value in self._candidates(words, text):
            value, why = self._checked(value)
            if why is None:
                return (None, _ANOTHER) if self._another(value, words) else (as_floats(value), None)
            misfit = misfit or why
        if not self.takes_words and (found := value_among(text, self._alone)) is not None:
            return (as_floats(found.value), None) if found.sure else (None, _ANOTHER)
        paragraph = first_paragraph(text)
        if self._choices:
            return None, f"the reply {_shown(paragraph)} is none of the choices"
        misfit = misfit or next((self._checked(each)[1] for each in self._scalars(paragraph)), None)
        return None, f"the reply {_shown(paragraph)} does not fit: {misfit or 'it is no JSON'}"

    def _checked(self, value: Any) -> tuple[Any, str | None]:
        if too_deep(value):  # it could not be handed on
            return None, "it is nested too deeply"
        value = self._mended(value)
        return value, self._values.misfit(value)

    def _candidates(self, words: str, text: str) -> Iterator[Any]:
        """What the words may mean but for a plain value, the likeliest first. Checking takes long, so none comes of one
        text twice."""
        if self._choices:
            return
        whole, paragraph = words.strip(), first_paragraph(text)
        yield from decoded(whole)
        if text != whole and self.takes_words:
            yield from decoded(text)
        if paragraph != whole and not self.takes_words:
            yield from (value for value in decoded(paragraph) if isinstance(value, (list, dict)))
        if self._kind not in ("boolean", "integer", "number", "string") and self._structured:
            yield from embedded(words, known=(whole,) if self.takes_words else (whole, paragraph))
        if self.takes_words:
            yield from self._scalars(text)
            yield text

    def _alone(self, text: str) -> tuple[Any] | None:
        """The value that a text is, in a tuple; None where it is none."""
        nothing = [None] if _folded(text) in _NOTHING else []
        for value in (*self._scalars(text), *nothing):
            checked, misfit = self._checked(value)
            if misfit is None:
                return (checked,)
        return None

    def _scalars(self, text: str) -> Iterator[Any]:
        """What a text may mean as one value, without marks and labels around it."""
        for inner in unwrapped(text) if text.lstrip().startswith("{") else ():
            for value in decoded(inner):
                yield from self._scalars(value) if isinstance(value, str) else (value,)
        folded, said = _folded(text), bare(text)
        if self._choices:
            known = (self._choices.get(each) for each in (folded, _folded(said), _folded(said.strip("()[]"))))
            yield from filter(None, known)
            return
        if self._booleans and not self.takes_words and _folded(said) in _YES_NO:
            yield _YES_NO[_folded(said)]
        if "\n" not in text and self._kind != "string":
            for each in plain_values(text, self._whole_numbers):
                yield from (value for value in decoded(each) if value is None or isinstance(value, (int, float)))
        if self._strings and not self.takes_words:
            yield from dict.fromkeys((text, said))

    def _another(self, value: Any, words: str) -> bool:
        """Whether the words hold another list or object than the one that was read."""
        if not isinstance(value, (list, dict)):
            return False
        found = json_among(words)
        others = (other for each in found[:_MOST_OTHERS] for other in decoded(each))
        return len(found) > _MOST_OTHERS or any(self._is_other(other, value) for other in others)

    def _is_other(self, other: Any, value: Any) -> bool:
        other, misfit = self._checked(other)
        return misfit is None and other != value

    def _mended(self, value: Any) -> Any:
        """A whole number as int; choices within it as they are spelled in the schema."""
        if self._kind == "integer" and isinstance(value, float) and value.is_integer():
            return value if isinstance(value, MaybeThousands) else int(value)
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
    return (
        kind in each
        or kind in ([kinds] if isinstance(kinds, str) else kinds)
        or any(_takes(inner, kind) for inner in each.get("anyOf", ()))
    )


def _takes_words(schema: Any) -> bool:
    """Whether any text fits, of some length."""
    if not isinstance(schema, dict):
        return schema is None
    each = cast("dict[str, Any]", schema)
    if any(_takes_words(inner) for inner in each.get("anyOf", ())):
        return True
    return not each.keys() & {"enum", "const", "format"} and _takes({"type": each.get("type", ())}, "string")


def _refers(schema: dict[str, Any] | None) -> bool:
    """Whether one of its definitions is a value, or one of those that may be."""
    each = schema or {}
    return "$ref" in each or any("$ref" in inner for inner in each.get("anyOf", ()) if isinstance(inner, dict))


def _nothing_in(text: str) -> bool | None:
    """Whether a text that may be any says null on its first lines, and no value below them; None where it does not."""
    heads = (first_paragraph(text), text.partition("\n")[0])
    head = next((head for head in heads if _folded(head) in _NOTHING), None)
    if head is None:
        return None
    return all(not labelled or _folded(named) in _NOTHING for named, labelled in named_below(text[len(head) :]))


def _folded(text: str) -> str:
    return " ".join(text.split()).lstrip(_BEFORE).rstrip(_AROUND).casefold()


def _shown(text: str) -> str:
    return repr(one_line(text, _SHOWN_CHARS))
