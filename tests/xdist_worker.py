"""What pytest-xdist starts in place of an interpreter: one that has imported the frameworks, which takes five seconds.

It is a fork of the parent of programs, with the streams of this process, which waits for it.
"""

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from programs import EVERYTHING, ProgramParent  # from beside this file, wherever pytest runs

*_, source = sys.argv  # after options of the interpreter
parent = ProgramParent(EVERYTHING)
worker = parent.start(source, ["-c"], (0, 1, 2), env=dict(os.environ), cwd=Path.cwd(), warnings=[], fresh=True)
while not worker.has_ended():
    try:
        worker.wait(None)
    except KeyboardInterrupt:  # which a terminal sends to this process alone
        with suppress(ProcessLookupError):
            os.kill(worker.pid, signal.SIGINT)
sys.exit(worker.wait())
