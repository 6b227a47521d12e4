"""The model's code in a sandbox backend of Deep Agents: here the local one, which confines nothing.

With OPENAI_API_KEY set it asks gpt-5 (or the model named as the first argument); without, a scripted model.
In a clone: pip install ".[deepagents]" (and ".[openai]" for a real model).
"""

import os
import sys
import tempfile

from deepagents.backends import LocalShellBackend

from rlm_integrations import RLMEngine
from rlm_integrations.deepagents import BackendSandbox
from rlm_integrations.testing import ScriptedModel

SCRIPT = [
    """I add up what the lines say.

```repl
import re
total = sum(map(int, re.findall(r"sold (\\d+) lamps", context)))
answer["content"] = f"{total:,} lamps"
answer["ready"] = True
```""",
]
REPORTS = "\n".join(f"Day {day}: sold {day % 7 + 1} lamps." for day in range(1, 1001))

if os.environ.get("OPENAI_API_KEY"):
    from rlm_integrations.openai import OpenAIModel

    llm = OpenAIModel(sys.argv[1] if len(sys.argv) > 1 else "gpt-5")
else:
    print("No OPENAI_API_KEY: a scripted model answers. The REPL and its code run for real.")
    llm = ScriptedModel(SCRIPT)

with tempfile.TemporaryDirectory() as folder:
    backend = LocalShellBackend(folder)  # or that of a provider, and no `unconfined`
    sandbox = BackendSandbox(backend, python=sys.executable, unconfined=True)
    result = RLMEngine(llm, sandbox=sandbox).run("How many lamps were sold?", context=REPORTS)
print(result.answer)
print("Confinement:", result.trace.isolation["confinement"])
