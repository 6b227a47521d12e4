"""Code by which a REPL writes frames of its own to the host. Tests of hostile code use it too."""

from __future__ import annotations

CHANNEL = """
import fcntl, json, os, struct
for channel in range(3, 64):
    try: fcntl.fcntl(channel, fcntl.F_GETFD)
    except OSError: continue
    break
"""

FORGED = (
    CHANNEL
    + """
def frame(**fields):
    body = json.dumps(fields).encode()
    return struct.pack(">I", len(body)) + body
"""
)
