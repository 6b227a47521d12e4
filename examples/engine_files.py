"""Files as the corpus, without a framework: a question over Python's own standard library.

With OPENAI_API_KEY set it asks gpt-5 (or the model named as the first argument); without, a scripted model.
In a clone: pip install . (and ".[openai]" for a real model).
"""

import os
import sys
import sysconfig
from pathlib import Path

from rlm_integrations import CodeEnded, Event, RLMEngine
from rlm_integrations.testing import ScriptedModel

QUESTION = (
    "Which module of the json package defines JSONDecodeError, and which attribute does its docstring name first?"
)

SCRIPT = [
    """I look for the class, together with its docstring.

```repl
hits = search(r'^class JSONDecodeError.*\\n +\"\"\"([^"]+)\"\"\"')
print(hits[0].id, hits[0].groups[0], sep="\\n")
```""",
    """It lists the attributes, each with a colon after its name; I cite the line of the first.

```repl
lines = [line.strip() for line in hits[0].groups[0].splitlines()]
first = next(line for line in lines if line.partition(": ")[0].isidentifier())
cite(first, hits[0].id)
answer["content"] = hits[0].id.rsplit("/", 1)[-1] + ": " + first
answer["ready"] = True
```""",
]


def show(event: Event) -> None:
    if isinstance(event, CodeEnded):
        ran = event.execution
        print(f"  iteration {event.iteration}: {ran.seconds:.2f} s, {len(ran.output)} characters shown")


if os.environ.get("OPENAI_API_KEY"):
    from rlm_integrations.openai import OpenAIModel

    llm = OpenAIModel(sys.argv[1] if len(sys.argv) > 1 else "gpt-5")
else:
    print("No OPENAI_API_KEY: a scripted model answers. The REPL and its code run for real.")
    llm = ScriptedModel(SCRIPT)

result = RLMEngine(llm, on_event=show).run(QUESTION, context=Path(sysconfig.get_path("stdlib")) / "json")
print(result.trace.context)
print(result.answer)
for citation in result.citations:
    print(f"  cited from {Path(citation.document_id).name} at {citation.start_index}: {citation.cited_text}")
