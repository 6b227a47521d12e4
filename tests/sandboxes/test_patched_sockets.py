"""gevent and eventlet replace Python's sockets, as `celery --pool=gevent` does: a REPL cannot be spoken to then."""

from __future__ import annotations

import socket

import pytest

from rlm_integrations import ProcessSandbox, RLMEngine
from rlm_integrations.core.errors import SandboxUnavailableError
from rlm_integrations.sandboxes import choose
from rlm_integrations.sandboxes.wasi.sandbox import WasiSandbox
from rlm_integrations.testing import ScriptedModel


def _socket_of(module: str) -> type[socket.socket]:
    return type("socket", (socket.socket,), {"__module__": module})


@pytest.mark.parametrize("module", ["gevent._socket3", "eventlet.greenio.base"])
@pytest.mark.parametrize(
    "make",
    [lambda: RLMEngine(ScriptedModel(["x"])), ProcessSandbox, lambda: ProcessSandbox(confined=False), WasiSandbox],
)
def test_it_is_said_before_anything_is_paid_for(make, module, monkeypatch):
    choose._process_sandbox.cache_clear()
    monkeypatch.setattr(socket, "socket", _socket_of(module))
    with pytest.raises(
        SandboxUnavailableError, match=f"^sandbox: {module.partition('.')[0]} has put sockets"
    ) as raised:
        make()
    assert "celery --pool=threads" in str(raised.value)


def test_sockets_of_others_will_do(monkeypatch):
    monkeypatch.setattr(socket, "socket", _socket_of("socks"))  # a proxy's
    ProcessSandbox()
