"""The real local backend behind a connection that is none of the best."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any


class Unreliable:
    """Implements what we take of `SandboxBackendProtocol`. The faults come by the number of the command or file."""

    id = "unreliable"

    def __init__(self, backend: Any, *faults: str) -> None:
        self._backend, self._faults = backend, faults
        self._numbers = itertools.count(1)
        self.cut_off = False
        self.commands: list[str] = []
        self.files: list[tuple[str, bytes]] = []

    def execute(self, command: str, **options: Any) -> Any:
        """Without a timeout, as the backends of old versions."""
        number = self._check()
        self.commands.append(command)
        if "slow" in self._faults:
            command = f"sleep 0.2; {command}"
        response = self._backend.execute(command, **options)
        if "twice" in self._faults and number % 2:
            response = self._backend.execute(command, **options)
        if "loses answers" in self._faults and not number % 4:
            raise ConnectionResetError("the connection was lost")
        if "cuts" in self._faults and len(response.output) > 20_000:
            response.output, response.truncated = response.output[:20_000] + "\n\n... truncated", True
        if self.cut_off:
            raise ConnectionResetError("the network is gone")
        return response

    def upload_files(self, files: Sequence[tuple[str, bytes]]) -> Any:
        number = self._check()
        self.files.extend(files)
        if "cuts" in self._faults and number % 2:  # half of it, and says nothing
            return self._backend.upload_files([(path, data[: len(data) // 2]) for path, data in files])
        return self._backend.upload_files(list(files))

    def _check(self) -> int:
        number = next(self._numbers)
        if self.cut_off or ("loses commands" in self._faults and not number % 3):
            raise ConnectionRefusedError("no connection")
        return number
