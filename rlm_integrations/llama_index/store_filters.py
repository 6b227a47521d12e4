"""What of a query engine's filters a vector store may apply before its nodes are read. Pure.

Stores differ in what a filter means: for missing keys, other types, letters. So a store is asked for equality alone,
where it finds at least what Python finds, and `NodeSelection` decides over what it lists.
"""

from __future__ import annotations

from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
)

_TRUSTED = frozenset({"ChromaVectorStore", "QdrantVectorStore", "PGVectorStore"})
"""Stores of which it is known how they compare. Others are read whole."""
_MOST_VALUES = 100
_EXACT = 2**53
"""Whole numbers below it are the same as floats."""


def narrowing(filters: MetadataFilters, store: BasePydanticVectorStore) -> MetadataFilters | None:
    """Filters that let through whatever `filters` do, and that the store can apply; None where there are none."""
    if not any(cls.__name__ in _TRUSTED for cls in type(store).__mro__):
        return None
    return _of_all(filters)


def _of_all(filters: MetadataFilters) -> MetadataFilters | None:
    parts = [_of_all(part) if isinstance(part, MetadataFilters) else _of_one(part) for part in filters.filters]
    kept = [part for part in parts if part is not None]
    if not kept or filters.condition == FilterCondition.NOT:
        return None
    if filters.condition == FilterCondition.OR and len(kept) < len(parts):
        return None
    return MetadataFilters(filters=[*kept], condition=filters.condition)


def _of_one(condition: MetadataFilter) -> MetadataFilter | MetadataFilters | None:
    if condition.operator == FilterOperator.EQ:
        given: list[object] = [condition.value]
    elif condition.operator == FilterOperator.IN and isinstance(condition.value, list):
        given = list(condition.value)
    else:
        return None
    plain_key = condition.key.isascii() and condition.key.replace("_", "").isalnum()  # a "." is a path to some
    if not plain_key or not 0 < len(given) <= _MOST_VALUES:
        return None
    equal: list[MetadataFilter] = []
    for value in given:
        if not isinstance(value, (str, int, float)) or (not isinstance(value, str) and abs(value) >= _EXACT):
            return None
        equal += [_equal(condition.key, each) for each in _alike(value)]
    return equal[0] if len(equal) == 1 else MetadataFilters(filters=[*equal], condition=FilterCondition.OR)


def _alike(value: str | float) -> list[str | float]:
    """What equals it in Python. Qdrant tells 7 from 7.0, but not 7.0 from 7; and 0 and 1 are False and True."""
    if isinstance(value, str):
        return [value]
    return [float(value), bool(value)] if value in (0, 1) else [float(value)]


def _equal(key: str, value: str | float) -> MetadataFilter:
    # Not checked, since LlamaIndex refuses a bool, and stores take it.
    return MetadataFilter.model_construct(key=key, value=value, operator=FilterOperator.EQ)
