"""All attempts, and what the layers say, on poorer machines: see on_other_machines.py."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .other_machine import CANNOT

ROOT = Path(__file__).parents[2]
MACHINES: dict[str, dict[str, Any]] = {  # see on_other_machines.py
    "an ordinary user": {"ordinary_user": True, "attempts": True},
    "root in a container": {"no_namespaces": True, "no_landlock": "ENOSYS", "attempts": True},
    # has the rights that the two have in common, so what is left to be tried is that it works at all
    "an ordinary user in a container": {
        "ordinary_user": True,
        "no_namespaces": True,
        "no_landlock": "EOPNOTSUPP",
        "attempts": False,
    },
}
BY_KERNEL = "at most 64 by Python; by C code at most 130, by the kernel"
SAYS = {
    "an ordinary user": {"threads": BY_KERNEL},
    "root in a container": {
        "landlock": "not in this kernel",
        "namespaces": "none of its own; refused here: ",
        "root folder": "the machine's (EPERM)",
        "threads": BY_KERNEL,
    },
    "an ordinary user in a container": {
        "landlock": "switched off in this kernel",
        "namespaces": "none of its own; refused here: user (EPERM), mount (EPERM), ",
        "root folder": "the machine's (EPERM)",
        "threads": "at most 64 by Python; by C code not bounded by the kernel",
    },
}


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """Each machine's exit status and output. All of them at once, for each takes some seconds."""
    outputs = [tmp_path_factory.mktemp("machine") / "output" for _ in MACHINES]
    machines = [each | {"output": str(output)} for each, output in zip(MACHINES.values(), outputs, strict=True)]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.sandboxes.on_other_machines", *map(json.dumps, machines)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        start_new_session=True,
    )
    try:
        statuses, _ = process.communicate(timeout=300)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    texts = [output.read_text() for output in outputs]
    return dict(zip(MACHINES, zip(json.loads(statuses), texts, strict=True), strict=True))


@pytest.mark.parametrize("machine", MACHINES)
def test_nothing_gets_out_on_another_machine(ended, machine):
    status, output = ended[machine]
    if status == CANNOT:
        pytest.skip(output)
    assert status == 0, output
    layers, tried = map(json.loads, output.splitlines()[:2])
    assert layers["seccomp"].startswith("allow-list of ")
    for layer, words in SAYS[machine].items():
        assert layers[layer].startswith(words), layers
    assert {attempt: why for attempt, why in tried.items() if why is not None} == {}
    assert len(tried) >= (260 if MACHINES[machine]["attempts"] else 0)
    assert int(output.rpartition(" passed")[0].split()[-1]) >= 4
