"""The example starts a cluster of its own, as a user runs it, of the processes that it needs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import IMPORTED

pytest.importorskip("ray", reason="Ray is not installed: pip install 'rlm-integrations[ray]'")
QUIETLY = Path(__file__).with_name("quiet_ray.py")
EXAMPLE = Path(__file__).parents[2] / "examples" / "ray_cluster.py"


def test_the_example_runs_without_a_key_and_starts_a_cluster_of_its_own(
    short_folder: str, run_program: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", short_folder)
    program = "import runpy, sys; del sys.argv[0]; runpy.run_path(sys.argv[0], run_name='__main__')"
    ended = run_program(program, QUIETLY, EXAMPLE, imported=IMPORTED)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("No OPENAI_API_KEY")
    assert "machines: 127.0.0.2, 127.0.0.3 of the Ray cluster" in ended.stdout
    assert "all errors: 1,031" in ended.stdout
