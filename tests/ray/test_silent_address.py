"""An address where something listens, and never answers, is a loud error and no wait without an end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

PROGRAM = """
import os, socket
# Ray's own seconds for each part of one attempt, which are 40 in all.
for name in ("gcs_rpc_server_connect_timeout_s", "gcs_server_request_timeout_seconds", "py_gcs_connect_timeout_s"):
    os.environ["RAY_" + name] = "1"
from rlm_integrations import RLMError
from rlm_integrations.ray import RaySandbox
silent = socket.create_server(("127.0.0.1", 0))
before = dict(os.environ)
try: RaySandbox("127.0.0.1:%d" % silent.getsockname()[1])
except RLMError as error: print(error)
assert os.environ == before
"""


def test_a_machine_that_never_answers_is_a_loud_error(run_program: Callable[..., Any]) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'rlm-integrations[ray]'")
    ended = run_program(PROGRAM)
    assert ended.stdout.startswith("sandbox: no Ray cluster could be reached at 127.0.0.1:"), ended.stderr
    assert ended.stderr.count("Failed to get cluster ID") == 1, "it tries once"
