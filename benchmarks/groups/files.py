"""A folder of logs, 200 MB, as the context: from the start of a program, imports and all, to its end."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from benchmarks.programs import ended
from benchmarks.registry import Group, Scale
from benchmarks.row import OURS, Row

SIZE_MB, FILES = 200, 20
READ = "import sys; from pathlib import Path; texts = [path.read_text() for path in Path(sys.argv[1]).iterdir()]"
RUN = """
import sys
from pathlib import Path
from rlm_integrations import RLMEngine
from rlm_integrations.testing import ScriptedModel
code = "answer['content'] = sum(d['text'].count('ERROR') for d in context)\\nanswer['ready'] = True"
result = RLMEngine(ScriptedModel([f"```repl\\n{code}\\n```"])).run("How many errors?", Path(sys.argv[1]))
assert result.text == sys.argv[2], result.text
"""
CHAIN = """
import sys
from pathlib import Path
from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.testing.langchain import ScriptedChatModel
code = "answer['content'] = sum(d['text'].count('ERROR') for d in context)\\nanswer['ready'] = True"
llm = ScriptedChatModel([f"```repl\\n{code}\\n```"])
assert RLMRunnable(llm=llm, context=Path(sys.argv[1])).invoke("How many errors?").content == sys.argv[2]
"""


def logs(scale: Scale) -> list[Row]:
    """Beside a program that only reads the files. Whole programs take turns."""
    with tempfile.TemporaryDirectory() as folder:
        errors = _write(Path(folder), scale.of(SIZE_MB, 1))
        programs = {OURS: RUN, "only read": READ, "with RLMRunnable": CHAIN}
        if scale.quick:
            del programs["with RLMRunnable"]
        taken = {name: [] for name in programs}
        for _ in range(scale.of(3, 1)):
            for name, program in programs.items():
                taken[name].append(ended(program, folder, str(errors)))
    label = f"{SIZE_MB} MB of logs, a program from start to end"
    times = {name: statistics.median(each.seconds for each in found) for name, found in taken.items()}
    cpu = {name: statistics.median(each.cpu_seconds for each in found) for name, found in taken.items()}
    peaks = {name: statistics.median(each.peak_mb for each in found) for name, found in taken.items()}
    return [
        Row(label, "s", times.pop(OURS), times, bound=2),
        Row(f"{label}: CPU time, all of its processes", "s", cpu.pop(OURS), cpu),
        Row(f"{label}: peak memory of its largest process", "MB", peaks.pop(OURS), peaks, bound=300),
    ]


def _write(folder: Path, mb: int) -> int:
    """Lines as a server writes them. Gives the number of errors in all."""
    errors = 0
    for file in range(FILES):
        lines: list[str] = []
        size, number = 0, 0
        while size < mb * 1_000_000 / FILES:
            level = "ERROR" if number % 97 == 0 else "INFO"
            errors += level == "ERROR"
            line = f"2026-11-{file + 1:02} 12:00:{number % 60:02} {level} worker-{number % 16} request {number}"
            lines.append(line)
            size, number = size + len(line) + 1, number + 1
        Path(folder, f"server-{file}.log").write_text("\n".join(lines) + "\n")
    return errors


GROUP = Group("A folder of logs", (logs,))
