"""The example starts a cluster of its own, as a user runs it, of the processes that it needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install 'rlm-integrations[ray]'")
QUIETLY = Path(__file__).with_name("quiet_ray.py")
EXAMPLE = Path(__file__).parents[2] / "examples" / "ray_cluster.py"


def test_the_example_runs_without_a_key_and_starts_a_cluster_of_its_own(short_folder: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("OPENAI_API_KEY", "RAY_ADDRESS")}
    ended = subprocess.run(
        [sys.executable, str(QUIETLY), str(EXAMPLE)],
        env=environment | {"PYTHONPATH": os.getcwd(), "RAY_TMPDIR": short_folder},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("No OPENAI_API_KEY")
    assert "machines: 127.0.0.2, 127.0.0.3 of the Ray cluster" in ended.stdout
    assert "all errors: 1,031" in ended.stdout
