"""Forty iterations against a server with a window of 16,000 tokens, by all three faces."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

WINDOW = 16_000
STEPS = 40
LEDGER = "".join(
    f"entry {n}: {n * 7 % 101} pounds{', the word is plover' if n == 101 else ''} {'. ' * 20}\n" for n in range(4_000)
)
STEP = """\
ledger = context if isinstance(context, str) else context[0]["text"]
part = ledger.splitlines()[{n} * 100:{n} * 100 + 100]
total = {total} + sum(int(line.split()[2]) for line in part)
print("\\n".join(part))
print("next part:", {n} + 1)"""
DONE = 'answer["content"] = f"{{total}} {word}"\nanswer["ready"] = True'
RIGHT = f"{sum(n * 7 % 101 for n in range(4_000))} plover"
"""The sum is in a variable; the word was printed in the second of forty steps, and stands in no variable."""


def text_of(message: dict[str, Any]) -> str:
    """What it says, and calls."""
    calls = [call["function"]["arguments"] for call in message.get("tool_calls") or ()]
    return "\n".join([message.get("content") or "", *calls])


class LongRun:
    """A root LM that knows nothing but what stands in its window, on a server that takes no more than that.

    A token is four characters, as the server counts and charges them.
    """

    def __init__(self, refused: Any, reply: Callable[..., dict[str, Any]], *, by_tool: bool) -> None:
        self.refused, self.reply, self.by_tool = refused, reply, by_tool
        self.taken: list[int] = []
        """Tokens of each prompt."""
        self.refusals = self.summaries = 0

    def __call__(self, messages: list[dict[str, Any]], number: int) -> Any:
        said = "\n".join(map(text_of, messages))
        tokens = len(said) // 4
        if tokens > WINDOW:
            self.refusals += 1
            return self.refused(f"This model's maximum context length is {WINDOW} tokens. However, you asked for more.")
        self.taken.append(tokens)
        word = next(iter(re.findall(r"the word is (\w+)", said)), "unknown")
        parts = re.findall(r"next part: (\d+)", said)
        part = int(parts[-1]) if parts else 0
        if "sum it up" in text_of(messages[-1]):
            self.summaries += 1
            body = self.reply(f"The sum so far is in `total`; the word is {word}; next part: {part}")
        else:
            code = DONE.format(word=word) if part == STEPS else STEP.format(n=part, total="total" if part else 0)
            body = self._with_code(code, number)
        body["usage"] = {"prompt_tokens": tokens, "completion_tokens": 50, "total_tokens": tokens + 50}
        return body

    def _with_code(self, code: str, number: int) -> dict[str, Any]:
        if not self.by_tool:
            return self.reply(f"```repl\n{code}\n```")
        function = {"name": "python", "arguments": json.dumps({"code": code})}
        call = {"id": f"call_{number}", "type": "function", "function": function}
        return self.reply(None, "tool_calls", tool_calls=[call])


async def test_forty_iterations_under_a_window_that_is_known_end_with_the_right_answer(
    server: Any, open_face: Any, name: str, refused: Any, reply: Any
) -> None:
    server.respond = root = LongRun(refused, reply, by_tool=False)
    answered = await open_face(name, True).ask(context=LEDGER, max_iterations=50, max_input_tokens=WINDOW)
    assert answered.text == RIGHT
    trace = answered.trace
    assert root.refusals == 0
    assert root.summaries > 2
    assert trace.iteration_count == STEPS + 1
    assert trace.fold_count == root.summaries
    assert trace.root_usage.input_tokens == sum(root.taken)
    assert all(iteration.observation for iteration in trace.iterations[:-1])  # the trace keeps all
    assert [iteration.number for iteration in trace.iterations] == list(range(1, STEPS + 2))


async def test_forty_iterations_by_the_tool_where_the_server_alone_knows_its_window(
    server: Any, open_face: Any, name: str, refused: Any, reply: Any
) -> None:
    server.respond = root = LongRun(refused, reply, by_tool=True)
    face = open_face(name, False)
    answered = await face.ask(context=LEDGER, max_iterations=50, protocol="tool")
    assert answered.text == RIGHT
    assert root.refusals == 1
    assert root.summaries > 2
    calls = [iteration.call for iteration in answered.trace.iterations]
    assert not any(call.error or call.shortened for call in calls)
    for body in server.bodies:  # as strict servers want it
        waiting: list[str] = []
        for message in body["messages"]:
            if message["role"] == "tool":
                waiting.remove(message["tool_call_id"])
            else:
                assert not waiting
            waiting += [call["id"] for call in message.get("tool_calls") or ()]
        assert not waiting
