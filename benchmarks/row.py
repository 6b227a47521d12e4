"""The one shape of what is measured. Standard library only: processes of other environments read and write it too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

OURS = "this engine"


@dataclass(frozen=True)
class Row:
    """A figure of this engine, of which less is better, beside the same of what else there is."""

    name: str
    unit: str
    """ "ms", "s", "MB", "KB", or "" for a count."""
    ours: float | None
    """None where it could not be measured; `missing` says why."""
    beside: Mapping[str, float] = field(default_factory=dict[str, float])
    """The same figure of others, by their names. The ratio is to the first."""
    bound: float | None = None
    """What `ours` is to be at most."""
    ratio_bound: float | None = None
    """What the ratio is to be at most."""
    missing: Mapping[str, str] = field(default_factory=dict[str, str])
    """Who could not be measured, and why, in a line."""

    @property
    def ratio(self) -> float | None:
        """Ours over the first beside it."""
        first = next(iter(self.beside.values()), None)
        return None if self.ours is None or not first else self.ours / first

    @property
    def misses(self) -> bool:
        """Whether a bound is not kept."""
        return any(
            value is not None and bound is not None and value > bound
            for value, bound in ((self.ours, self.bound), (self.ratio, self.ratio_bound))
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"ratio": self.ratio}

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> Row:
        return cls(**{name: value for name, value in written.items() if name != "ratio"})


def not_measured(name: str, why: str) -> Row:
    return Row(name, "", None, missing={OURS: why})
