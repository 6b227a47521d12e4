"""Code in thoughts is a draft, and does not run where other code follows."""

from __future__ import annotations

import pytest

from rlm_integrations import RLMEngine
from rlm_integrations.core.loop.reply_parser import parse_reply
from rlm_integrations.testing import ScriptedModel

from .dresses import COUNT, DONE, LONG

DRAFT, REAL = "```repl\nFINAL('a guess')\n```", "```repl\nFINAL(str(context.count('well')))\n```"


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ("**Thinking:**", "**Action:**"),
        ("**Thinking**:", "**Answer**"),
        ("## Thought process", "## Code"),
        ("Thought: maybe", "Action:"),
        ("*thinking*", "*end of thinking*"),
        ("**Reasoning:** maybe", "Final answer:"),
        ("# Scratchpad", "# Solution"),
        ("<plan>", "</plan>"),
        ("< scratch >", "</scratch>"),
        ("&lt;plan&gt;", "&lt;/plan&gt;"),
        ("I plan first.\n<inner_draft>", "</inner_draft>"),
        ("[PLAN]", "[/PLAN]"),
        ("<details>\n<summary>Thoughts</summary>", "</details>"),
        ("<details><summary>My reasoning</summary>", "</details>"),
        ("<plan>", "<!-- it is never closed -->"),
        ("**Thinking:**", "No, I have to count."),
        ("Reasoning:", ""),
    ],
)
def test_code_that_stands_in_thoughts_does_not_run_where_other_code_follows(opening: str, closing: str) -> None:
    reply = f"{opening}\nI might say:\n{DRAFT}\nNo.\n{closing}\n{REAL}"
    parsed = parse_reply(reply)
    assert (parsed.blocks, parsed.drafts) == (("FINAL(str(context.count('well')))",), 1)
    with ScriptedModel([reply.replace("FINAL(str(", "print(("), DONE]) as llm:
        assert RLMEngine(llm).run("How many?", context=LONG).answer == "settled"
    told = llm.requests[1][-1].content
    assert "\nNot run, since it stands in your thoughts, above other code: 1 block." in told
    assert "\n4000\n</output" in told


@pytest.mark.parametrize(
    ("reply", "count"),
    [
        ("**Thinking:** I look.\n{}\n**Answer:** It will print 2.", 1),
        ("**Thinking:** I look.\n{}\nThen I look again.\n{}", 2),
        ("Thought: I look.\n{}\nThought: I look again.\n{}", 2),
        ("**Thinking:** two steps.\n**Step 1:**\n{}\n**Step 2:**\n{}", 2),
        ("## Plan\n{}\n## Next\n{}", 2),
        ("<step>\n{}\n</step>\n<step>\n{}\n</step>", 2),
        ("<plan>\nI look twice.\n</plan>\n{}\n{}", 2),
        ("<plan>\n{}\n</plan>", 1),
    ],
)
def test_code_beside_thoughts_runs(reply: str, count: int) -> None:
    parsed = parse_reply(reply.replace("{}", f"```repl\n{COUNT}\n```"))
    assert (parsed.blocks, parsed.drafts) == ((COUNT,) * count, 0)


def test_a_final_in_thoughts_is_no_answer() -> None:
    assert parse_reply("<plan>\nI may say:\nFINAL(3)\n</plan>\nThere are 2.").final is None
    assert parse_reply("**Thinking:**\nFINAL(3)?\nFINAL(3)\n**Answer:**\nFINAL(2)").final == "2"
    assert parse_reply("**Reasoning:** I counted.\nFINAL(2)").final == "2"
    draft = parse_reply(f"**Thinking:**\n{DRAFT}\n**Answer:**\nFINAL(2)")
    assert (draft.blocks, draft.drafts, draft.final) == ((), 1, "2")
