"""What is said where there is no cluster, or no Ray."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .conftest import IMPORTED


def test_without_ray_its_absence_has_one_clear_error(run_program: Callable[..., Any]) -> None:
    ended = run_program(
        "import sys; sys.modules['ray'] = None\n"
        "from rlm_integrations import RLMError\n"
        "try: import rlm_integrations.ray\nexcept RLMError as error: print(error)"
    )
    assert ended.stdout == 'rlm_integrations.ray needs ray; run: pip install "rlm-integrations[ray]"\n'


def test_without_a_cluster_it_says_what_to_do(run_program: Callable[..., Any]) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'rlm-integrations[ray]'")
    program = (
        "import os; os.environ.pop('RAY_ADDRESS', None); os.environ['RAY_TMPDIR'] = '/nonexistent'\n"
        "import functools; from ray._private import services\n"
        "services.find_gcs_addresses = functools.cache(lambda: set())\n"  # those of other tests run here
        "from rlm_integrations import RLMError\n"
        "from rlm_integrations.ray import RaySandbox\n"
        "try: RaySandbox()\nexcept RLMError as error: print(error)"
    )
    ended = run_program(program, imported=IMPORTED)
    assert ended.stdout.startswith("sandbox: no Ray cluster could be reached at auto: "), ended.stderr
    assert "pass its address, or start one (ray start --head)" in ended.stdout
