"""What the root LM must know of the VM's Python. `tests/sandboxes/test_monty_subset.py` tries every statement."""

from __future__ import annotations

from pathlib import Path

MODULES = (
    *("asyncio", "base64", "binascii", "bisect", "collections", "copy", "csv", "dataclasses", "datetime", "decimal"),
    *("functools", "hashlib", "itertools", "json", "math", "os", "pathlib", "random", "re", "sys", "time", "tomllib"),
    *("typing", "unicodedata"),
)
"""The modules that can be imported."""

_TEXT = Path(__file__).with_name("subset.md").read_text(encoding="utf-8").rstrip("\n")

SUBSET = _TEXT.replace("{modules}", ", ".join(MODULES))
"""For the system message."""
