"""All attempts, and what the layers say, on poorer machines: see other_machine.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CONTAINER = ["--no-namespaces", "--no-landlock"]
EVERYTHING, LAYERS = "attempt or layer", "layer"
MACHINES = {
    # name: (options, tests, at least so many of them)
    "an ordinary user": (["--ordinary-user"], EVERYTHING, 260),
    "root in a container": ([*CONTAINER, "ENOSYS"], EVERYTHING, 260),
    # has the rights that the two have in common, so what is left to be tried is that it works at all
    "an ordinary user in a container": (["--ordinary-user", *CONTAINER, "EOPNOTSUPP"], LAYERS, 4),
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
def machines() -> Iterator[dict[str, subprocess.Popen[str]]]:
    """All of them at once, for each takes some seconds."""
    files = [str(HERE / "test_escape.py"), str(HERE / "test_confinement.py")]
    root = HERE.parents[1]
    running = {
        name: subprocess.Popen(
            [sys.executable, str(HERE / "other_machine.py"), *options, "--", "-k", tests, *files, f"--rootdir={root}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=root,
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        )
        for name, (options, tests, _) in MACHINES.items()
    }
    yield running
    for process in running.values():
        process.kill()
        process.communicate()


@pytest.mark.parametrize("machine", MACHINES)
def test_nothing_gets_out_on_another_machine(machines, machine):
    output, _ = machines[machine].communicate(timeout=300)
    if machines[machine].returncode == 77:
        pytest.skip(output)
    assert machines[machine].returncode == 0, output
    layers = json.loads(output.partition("\n")[0])
    assert layers["seccomp"].startswith("allow-list of ")
    for layer, words in SAYS[machine].items():
        assert layers[layer].startswith(words), layers
    assert int(output.rpartition(" passed")[0].split()[-1]) >= MACHINES[machine][2]
