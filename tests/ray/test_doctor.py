"""`doctor --ray`: what confines code on each machine of a cluster, and whether a run works there."""

from __future__ import annotations

from typing import Any

import pytest

from rlm_integrations.cli import doctor
from rlm_integrations.cli.installed import PARTS, Finding

from .conftest import LocalCluster

pytest.importorskip("ray", reason="Ray is not installed: pip install 'rlm-integrations[ray]'")
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"
)


def test_it_shows_the_machines_and_what_confines_code_there(
    cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(doctor, "find_installed", lambda: [Finding(part, "1.0") for part in PARTS])
    assert doctor.examine(ray=cluster.address)
    shown = " ".join(capsys.readouterr().out.split())
    assert "Ray: model-written code is confined on its machines" in shown
    assert "127.0.0.2" in shown
    assert "127.0.0.3" in shown
    assert "allow-list of" in shown.partition("Ray: model-written")[2]
    assert "works: a run on the Ray cluster" in shown
