"""240 messages that people wrote by hand for the demo, each of one known meaning. The log is made around them."""

from __future__ import annotations

import json
from pathlib import Path

from rlm_integrations.frozen import frozen

DATA = Path(__file__).parent / "data"


@frozen
class SupportMessage:
    text: str
    user: str
    date: str
    """As YYYY-MM-DD."""
    category: str
    """Its meaning: "leaving", "broken", "money", "praise", "wish" or "how_to"."""


def read_messages() -> list[SupportMessage]:
    """The messages, in order of their dates."""
    categories: dict[str, str] = json.loads((DATA / "truth.json").read_text(encoding="utf-8"))["categories"]
    items = map(json.loads, (DATA / "messages.jsonl").read_text(encoding="utf-8").splitlines())
    return [SupportMessage(item["text"], **item["metadata"], category=categories[item["id"]]) for item in items]
