"""Stands in for the two agents of a raylet, which take as long to start as two of its workers.

They serve the dashboard and runtime environments, which no test here has. The raylet goes on when files say their
ports, and ends with them; so do they with it, which their standard input tells. The arguments are an agent's command.

Where workers are to be forks (`WARM_WORKERS` is set), the first of the two is what they are forks of. It is below the
raylet, as they would be, and is told the raylet's process id as they are: they end when that has ended.
"""

import gc
import os
import runpy
import socket
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from warm_worker import address

sys.path.insert(0, str(Path(__file__).parents[1]))
import forks

del sys.path[0]  # it has folders of the names of packages

PORTS = {
    "dashboard_agent_listen_port": -1,  # where there is no dashboard
    "metrics_agent_port": -1,
    "metrics_export_port": -1,
    "runtime_env_agent_port": 1,  # where nothing listens: what would have such an environment fails
}
WORKER = "ray._private.workers.default_worker"
IMPORTED = (
    "rlm_integrations.ray.map",
    "rlm_integrations.sandboxes.remote.pool",
    "pyarrow",  # from here on: what Ray imports where it is installed
    "pydantic.v1.fields",
    "starlette.datastructures",
    "uvloop",
)


def say_ports() -> None:
    options = dict(word.split("=", 1) for word in sys.argv if word.startswith("--") and "=" in word)
    for name, port in PORTS.items():
        path = os.path.join(options["--session-dir"], f"{name}_{options['--node-id']}")
        with open(f"{path}.{os.getpid()}", "w") as file:
            file.write(str(port))
        os.replace(file.name, path)


def start_workers() -> None:
    """Until the raylet ends. Returns in none of the forks."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address(os.environ["RAY_RAYLET_PID"]))
    listener.listen(128)
    say_ports()
    os.environ["RAY_JOB_ID"] = "f" * 8  # none yet, as of a worker that waits: it is read when Ray is imported
    script = import_module(WORKER).__file__
    assert script is not None
    for name in IMPORTED:
        with suppress(ModuleNotFoundError):
            import_module(name)
    gc.collect()
    gc.freeze()
    worker = forks.serve(listener, lambda _: None)
    os.setpgid(0, os.getpgid(worker))  # which the raylet ends
    forks.take_over(worker)
    sys.argv[:] = [script, *forks.arguments(worker)[2:]]
    sys.path[0] = os.path.dirname(script)
    runpy.run_path(script, run_name="__main__")


def main() -> None:
    if "WARM_WORKERS" in os.environ and "agent.py" in sys.argv[1]:
        start_workers()
    else:
        say_ports()
        while os.read(0, 1024):
            pass


if __name__ == "__main__":
    main()
