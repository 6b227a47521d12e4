"""A member of an enum that names something does so by its value, as in JSON, whatever kind of enum it is of."""

from __future__ import annotations

from enum import Enum, IntEnum, StrEnum

import pytest

from rlm_integrations import Corpus


class Plain(Enum):
    NAME = "lease"


class Text(str, Enum):  # noqa: UP042 - its str() is another
    NAME = "lease"


class NewText(StrEnum):
    NAME = "lease"


class Number(IntEnum):
    NAME = 7


@pytest.mark.parametrize(
    ("member", "name"), [(Plain.NAME, "lease"), (Text.NAME, "lease"), (NewText.NAME, "lease"), (Number.NAME, "7")]
)
def test_ids_and_keys_are_its_value(member: Enum, name: str) -> None:
    (by_name,) = Corpus.of({member: "a text"}).documents
    (record,) = Corpus.of([{"id": member, "text": "a text", "metadata": {member: {member: member}}}]).documents
    assert (by_name.id, record.id) == (name, name)
    assert record.metadata == {name: {name: member.value}}
