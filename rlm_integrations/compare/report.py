"""What a comparison came to: a table, JSON, and a page."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rlm_integrations.compare.attempt import Attempt
from rlm_integrations.compare.page import write_page
from rlm_integrations.compare.results import MethodSums, Results
from rlm_integrations.core.wording import number, one_line

_ANSWER_CHARS = 60


@dataclass(frozen=True)
class Comparison(Results):
    """What `compare` gives."""

    def table(self) -> str:
        """Markdown: a row for each method, then for each question what each method answered."""
        header = ["method", "answered", "right", "agreement", "citations", "calls", "tokens", "cost", "seconds"]
        if not self.expected:
            header.remove("right")
        lines = [_row(header), _row(["---"] * len(header))]
        lines += [_row(list(self._cells(sums))) for sums in self.sums]
        for question in self.questions:
            lines += ["", f"{one_line(question, 200)}", ""]
            lines += [_row(["method", "answer", ""]), _row(["---"] * 3)]
            lines += [
                _row([each.method, one_line(each.answer, _ANSWER_CHARS), _told(each)]) for each in self.of(question)
            ]
        return "\n".join(lines) + "\n"

    def _cells(self, sums: MethodSums) -> Iterator[str]:
        yield sums.name
        yield f"{sums.answered} of {sums.of}"
        if self.expected:
            yield "-" if sums.right is None else number(sums.right)
        yield "-" if sums.agreement is None else f"{sums.agreement:.2f}"
        yield number(sums.citations)
        yield number(sums.calls)
        yield number(sums.usage.total_tokens)
        yield "-" if sums.usage.cost_usd is None else f"${sums.usage.cost_usd:.4f}"
        yield f"{sums.seconds:.1f}"

    def as_json(self) -> dict[str, Any]:
        """Plain JSON: all that is known but the traces."""
        return {
            "methods": [
                {
                    "name": each.name,
                    "answered": each.answered,
                    "of": each.of,
                    "agreement": each.agreement,
                    "right": each.right,
                    "citations": each.citations,
                    "calls": each.calls,
                    "usage": each.usage.model_dump(mode="json"),
                    "seconds": round(each.seconds, 3),
                }
                for each in self.sums
            ],
            "attempts": [
                {
                    "question": each.question,
                    "method": each.method,
                    "status": each.status,
                    "answer": each.answer,
                    "note": each.note,
                    "citations": [cited.model_dump(mode="json") for cited in each.citations],
                    "calls": each.calls,
                    "usage": each.usage.model_dump(mode="json"),
                    "seconds": round(each.seconds, 3),
                }
                for each in self.attempts
            ],
        }

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write it as one page with plots, which any browser opens without a network.

        It holds answers and quotes, so a new file is its owner's alone (mode 0600).

        Raises:
            OSError: It cannot be written.
        """
        write_page(self, path)


def _told(attempt: Attempt) -> str:
    return "" if attempt.status == "answered" else one_line(f"{attempt.status}: {attempt.note}", 160)


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
