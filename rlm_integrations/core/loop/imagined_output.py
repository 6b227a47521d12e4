"""What the root LM says that its code printed, in the reply that holds the code: nobody has run it yet."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rlm_integrations.core.loop.reply_parts import Part

_SAYS_SO = re.compile(
    r"[ \t>]*+[*_#`\[(]*+[ \t]*+(?>(?:The[ \t]++)?)"
    r"(?>(?:(?:actual|console|repl|execution|code|program|python|printed|tool)[ \t_]++)?)"
    r"(?:(?:output|stdout|observation|response)s?+[*_`\])]*+[ \t]*+(?::|$|(?:is|was|shows?+)\b)"
    r"|Step \d++ of \d++:|result[*_`\])]*+:[*_]*+[ \t]*+$)"
    r"|[ \t]*+(?:```|~~~)[ \t]*+(?:output|stdout|observation|results?+)\b"
    r"|[ \t]*+<\|?+(?:output|stdout|observation|results?+|tool_response|tool_outputs?+|tool_results?+"
    r"|function_results?+|function_response|execution_results?+|code_output|start_header_id\|>(?:ipython|tool))\b",
    re.IGNORECASE,
)
"""In a line of prose: words before output, or what marks it. The last are tags that models know from their training."""


def without_unseen(parts: Sequence[Part]) -> int:
    """Take blocks that stand below a made-up output for what they are: written without a look at the true one.

    Returns how many those are.
    """
    ran = made_up = False
    unseen = 0
    for part in parts:
        if part.kind == "block":
            if made_up:
                part.kind = "unseen"
                unseen += 1
            elif part.cut:
                made_up = True
                unseen += 1
            ran = True
        elif ran and not made_up:
            made_up = any(_SAYS_SO.match(line) for line in part.lines)
    return unseen
