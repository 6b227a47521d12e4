"""What of a query engine's filters a vector store may apply before its nodes are read. Pure.

Stores differ in what a filter means: for missing keys, other types, letters. So a store is asked for equality alone,
where it finds at least what Python finds, and `NodeSelection` decides over what it lists. Some write values into the
text of a query as they are: what would not stay a value there is not sent, since a user of an application may have
typed it.
"""

from __future__ import annotations

from collections.abc import Mapping

from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
)

from rlm_integrations.frozen import frozen


@frozen
class _Comparing:
    """What a store may be asked about."""

    numbers: bool = True
    writes_values: bool = False
    """Whether it writes values into the text of a query."""
    field_names: tuple[str, ...] = ()
    """Its attributes that name columns beside the metadata, which hide metadata of the same name."""


_TRUSTED: Mapping[str, _Comparing] = {
    "ChromaVectorStore": _Comparing(),
    "QdrantVectorStore": _Comparing(),
    "PGVectorStore": _Comparing(writes_values=True),
    "MilvusVectorStore": _Comparing(
        numbers=False,  # known of Milvus Lite alone
        writes_values=True,
        field_names=("text_key", "doc_id_field", "embedding_field", "sparse_embedding_field"),
    ),
}
"""Stores of which it is known how they compare. Others are read whole."""
_SYNTAX = frozenset("'\"\\")
"""What ends or escapes a text in the queries of such stores."""
_MOST_VALUES = 100
_EXACT = 2**53
"""Whole numbers below it are the same as floats."""


def narrowing(filters: MetadataFilters, store: BasePydanticVectorStore) -> MetadataFilters | None:
    """Filters that let through whatever `filters` do, and that the store can apply; None where there are none."""
    for cls in type(store).__mro__:
        if cls.__name__ in _TRUSTED:
            return _Narrowing(_TRUSTED[cls.__name__], store).of_all(filters)
    return None


@frozen
class _Narrowing:
    comparing: _Comparing
    store: BasePydanticVectorStore

    def of_all(self, filters: MetadataFilters) -> MetadataFilters | None:
        parts = [
            self.of_all(part) if isinstance(part, MetadataFilters) else self.of_one(part) for part in filters.filters
        ]
        kept = [part for part in parts if part is not None]
        if not kept or filters.condition == FilterCondition.NOT:
            return None
        if filters.condition == FilterCondition.OR and len(kept) < len(parts):
            return None
        return MetadataFilters(filters=[*kept], condition=filters.condition)

    def of_one(self, condition: MetadataFilter) -> MetadataFilter | MetadataFilters | None:
        if condition.operator == FilterOperator.EQ:
            given: list[object] = [condition.value]
        elif condition.operator == FilterOperator.IN and isinstance(condition.value, list):
            given = list(condition.value)
        else:
            return None
        if not self._takes_key(condition.key) or not 0 < len(given) <= _MOST_VALUES:
            return None
        equal: list[MetadataFilter] = []
        for value in given:
            if not isinstance(value, (str, int, float)) or not self._takes(value):
                return None
            equal += [_equal(condition.key, each) for each in _alike(value)]
        return equal[0] if len(equal) == 1 else MetadataFilters(filters=[*equal], condition=FilterCondition.OR)

    def _takes_key(self, key: str) -> bool:
        if not key.isascii() or not key.replace("_", "").isalnum():  # a "." is a path to some
            return False
        names = self.comparing.field_names
        return not names or key not in {"id", *(getattr(self.store, name, None) for name in names)}

    def _takes(self, value: str | float) -> bool:
        if isinstance(value, str):
            return not self.comparing.writes_values or _SYNTAX.isdisjoint(value)
        return self.comparing.numbers and abs(value) < _EXACT


def _alike(value: str | float) -> list[str | float]:
    """What equals it in Python. Qdrant tells 7 from 7.0, but not 7.0 from 7; and 0 and 1 are False and True."""
    if isinstance(value, str):
        return [value]
    return [float(value), bool(value)] if value in (0, 1) else [float(value)]


def _equal(key: str, value: str | float) -> MetadataFilter:
    # Not checked, since LlamaIndex refuses a bool, and stores take it.
    return MetadataFilter.model_construct(key=key, value=value, operator=FilterOperator.EQ)
