"""What ARCHITECTURE.md, CONTRIBUTING.md and docs/design.md say of where things are."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "rlm_integrations"
PAGES = ("ARCHITECTURE.md", "CONTRIBUTING.md", "docs/design.md")


@cache
def there_is() -> str:
    """All files and folders, a line each: "/rlm_integrations/core/", "/rlm_integrations/core/errors.py"."""
    parts = [ROOT / part for part in ("rlm_integrations", "tests", "docs", "release", "benchmarks", "evals", ".ci")]
    found = [*ROOT.iterdir(), *parts, *(each for part in parts for each in part.rglob("*"))]
    return "\n".join(f"/{each.relative_to(ROOT)}{'/' if each.is_dir() else ''}" for each in found) + "\n"


@pytest.mark.parametrize("page", PAGES)
def test_each_path_that_is_named_exists(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    named = re.findall(r"`([\w./-]+?(?:/|\.(?:py|md|toml|txt)))`", text)
    assert len(named) > 5
    assert [path for path in named if f"/{path}\n" not in there_is()] == []
    for link in re.findall(r"\]\(([\w./-]+)\)", text):
        assert ((ROOT / page).parent / link).exists(), link


def test_each_room_is_told_of() -> None:
    rooms = (ROOT / "ARCHITECTURE.md").read_text("utf-8").partition("## Rooms")[2]
    named = set(re.findall(r"`([\w/]+)/`", rooms))
    folders = [
        each for parent in (PACKAGE, PACKAGE / "core") for each in parent.iterdir() if (each / "__init__.py").exists()
    ]
    assert {str(each.relative_to(PACKAGE)) for each in folders} - {"core"} <= named
