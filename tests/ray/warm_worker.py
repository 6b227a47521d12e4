"""What Ray starts for a worker (`worker_path`) where workers are forks: that takes a fifth of one.

The worker is a fork of a process beside the raylet that has imported what workers do: see `quiet_agent.py`. This one
waits for it, and ends as it does.
"""

import os
import socket
import sys


def address(raylet: str) -> str:
    """Of the process whose forks are the workers of a raylet: a name of no file."""
    return f"\0rlm-ray-workers-{raylet}"


def main() -> None:
    with socket.socket(socket.AF_UNIX) as parent:
        parent.connect(address(os.environ["RAY_RAYLET_PID"]))
        parent.send(b"%d" % os.getpid())
        sys.exit(int(parent.recv(8)))


if __name__ == "__main__":
    main()
