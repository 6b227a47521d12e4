"""What to do where a model has no API key: said in the same words wherever it is noticed."""

from __future__ import annotations

VARIABLE = "OPENAI_API_KEY"

KEY_REMEDY = (
    f"set {VARIABLE}, or ask a server of your own by its base_url, with any word as the key; "
    'the README shows both, and a run without a model: "No key?"'
)


def with_key_remedy(words: str) -> str:
    """An error of a provider's package, with the remedy where it says that the key is missing."""
    return f"{words}; {KEY_REMEDY}" if VARIABLE in words and KEY_REMEDY not in words else words
