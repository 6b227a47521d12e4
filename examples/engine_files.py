"""Files as the corpus, without a framework: a question over Python's own standard library.

With OPENAI_API_KEY set it asks gpt-5 (or the model named as the first argument); without, a scripted model.
"""

import os
import sys
import sysconfig
from pathlib import Path

from rlm_integrations import CodeEnded, Event, RLMEngine
from rlm_integrations.openai import OpenAIModel
from rlm_integrations.testing import ScriptedModel

QUESTION = "Which module of the json package defines JSONDecodeError, and what does its docstring promise first?"

SCRIPT = [
    """I look for the definition.

```repl
hits = search(r"^class JSONDecodeError", around=300)
hits
```""",
    """The class and its docstring are there; I cite the line.

```repl
module = hits[0].id.rsplit("/", 1)[-1]
first = next(line.strip() for line in hits[0].line.splitlines() if '\"\"\"' in line)
cite(first, hits[0].id)
answer["content"] = module + ": " + first.strip(chr(34))
answer["ready"] = True
```""",
]


def show(event: Event) -> None:
    if isinstance(event, CodeEnded):
        print(
            f"  step {event.iteration}: {event.execution.seconds:.2f} s, {len(event.execution.output)} characters shown"
        )


if os.environ.get("OPENAI_API_KEY"):
    llm = OpenAIModel(sys.argv[1] if len(sys.argv) > 1 else "gpt-5")
else:
    print("No OPENAI_API_KEY: a scripted model answers. The REPL and its code run for real.")
    llm = ScriptedModel(SCRIPT)

result = RLMEngine(llm, on_event=show).run(QUESTION, context=Path(sysconfig.get_path("stdlib")) / "json")
print(result.trace.context)
print(result.answer)
for citation in result.citations:
    print(f"  cited from {Path(citation.document_id).name} at {citation.start_index}: {citation.cited_text}")
