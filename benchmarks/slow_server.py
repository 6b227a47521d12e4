"""A server that speaks OpenAI's chat completions, and takes its time, in a process of its own.

python -m benchmarks.slow_server MILLISECONDS    prints its port, and serves until its input ends

A reply is the last message of its request, after so many milliseconds. Where the request names a text to stop at, it is
that text as code, at once: so a root LM is told what to write.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.fresh_process import ROOT


@contextmanager
def served(milliseconds: int) -> Iterator[str]:
    """The base URL that a client takes."""
    command = [sys.executable, "-m", "benchmarks.slow_server", str(milliseconds)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        process.stdin.close()


async def _serve(delay_s: float) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await _request(reader):
                text = request["messages"][-1]["content"]
                code = request.get("stop")
                if not code:
                    await asyncio.sleep(delay_s)
                writer.write(_reply(f"```repl\n{code[0]}\n```" if code else text))
                await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            pass  # the client, or this server, ends
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, backlog=4_096)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()


async def _request(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    body: dict[str, Any] = json.loads(await reader.readexactly(int(lengths[0].partition(b":")[2])))
    return body


def _reply(text: str) -> bytes:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    made = {"id": "1", "object": "chat.completion", "created": 1, "model": "served", "choices": [choice]}
    body = json.dumps(made | {"usage": usage}).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]) / 1_000))
