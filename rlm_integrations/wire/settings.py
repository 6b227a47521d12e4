"""What the REPL of one run offers and where its bounds are. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_CHUNK_CHARS_TO_PRINT = 8_000


@dataclass(frozen=True, slots=True)
class ReplSettings:
    """What the REPL of one run offers and where its bounds are."""

    depth: int
    """0: no sub-call functions; 1: llm_query and its kin; 2 and more: rlm_query starts a child RLM."""
    sub_call_chars: int
    """The longest prompt of a sub-call, in characters."""
    max_output_chars: int
    """Output of a step beyond this many characters loses its middle, while it is produced."""
    step_timeout_s: float
    """Wall time of a step while no host call is open, and its CPU time always."""
    memory_mb: int
    """Memory the run may use on top of the corpus."""
    retriever: bool = False
    """Whether `retrieve` is offered."""
    tools: tuple[str, ...] = ()
    """Names of further host functions."""
    null_answers: bool = False
    """Whether None is an answer: the type of the answer takes it."""
    columns: tuple[tuple[str, str], ...] = ()
    """Of the table that the documents are rows of: each with what pandas calls its type, or ""."""
    text_column: str = ""
    """The column that is the text of the rows; "" where that is all of them."""
    seed: str = ""
    """What `random` begins with; "" for chance."""
    hash_seed: int | None = None
    """What the order of sets comes from (PYTHONHASHSEED); None for chance."""

    @property
    def chunk_chars(self) -> int:
        """The longest string of `chunks`: it fits a sub-call beside a prompt; without sub-calls it is for printing."""
        return self.sub_call_chars * 4 // 5 if self.depth else _CHUNK_CHARS_TO_PRINT

    @property
    def said_columns(self) -> frozenset[str]:
        """Those whose values stand in the text of a row, and need not be said above it."""
        return frozenset() if self.text_column else frozenset(name for name, _ in self.columns)

    @property
    def printed_chars(self) -> int:
        """The longest printed form of matches: the rest of the output is for what else a step prints."""
        return self.max_output_chars * 3 // 4

    def to_json(self) -> dict[str, Any]:
        """A JSON object: what `from_json` takes."""
        fields = {name: getattr(self, name) for name in self.__match_args__}  # asdict copies deeply
        return {**fields, "tools": list(self.tools), "columns": [list(column) for column in self.columns]}

    @classmethod
    def from_json(cls, settings: dict[str, Any]) -> ReplSettings:
        """Settings as the host sent them, which the worker trusts."""
        columns = tuple((name, dtype) for name, dtype in settings["columns"])
        fields: dict[str, Any] = {**settings, "tools": tuple(settings["tools"]), "columns": columns}
        return cls(**fields)
