"""Programs of the kind a root LM writes show the same in every sandbox, but for what Monty's Python lacks."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.sandboxes.choose import resolve_sandbox
from rlm_integrations.wire.calls import LlmMap, MapLeft, Reserve
from rlm_integrations.wire.steps import StepDone
from rlm_integrations.wire.typed_maps import read_map

DOCUMENTS = [
    {
        "id": f"d{n}",
        "text": f"Lease {n} of plot {n % 7}.\nDue on {1 + n % 28} May 20{n:02d}.\nRent: {n * 7 % 90} marks, é.",
        "metadata": {"year": 2000 + n},
    }
    for n in range(40)
]
TEXT = "\n".join(
    f"2024-01-{1 + n % 28:02d} [{['INFO', 'ERROR'][n % 2]}] user_{n % 7} login Paris {n}" for n in range(400)
)
PROGRAMS = Path(__file__).parents[1] / "repl" / "programs"
FILES = ("language", "root_lm")  # the other files are about modules: `SUBSET` names those that there are

FUNCTIONS = {
    "search": "search(r'due on', limit=3)",
    "search over lines": "search(r'plot 3\\.\\s+Due', limit=None, around=20)",
    "search in some": (
        "hits = search('marks', docs=['d3', context[5], {'id': 'own', 'text': '3 marks'}], limit=2)\nprint(hits)\n"
        "search('May', docs=hits)"
    ),
    "search in a text": (
        "hits = search('b.', docs='abc abd')\nprint(hits, len(hits), hits.total)\nsearch('c', docs=hits)"
    ),
    "too many to print": "search('e', limit=None)",
    "nothing found": "search('nowhere')",
    "a compiled pattern": "import re\nsearch(re.compile('RENT', re.I), limit=1)",
    "parts of a match": (
        "m = search(r'(?P<day>\\d+) (May) (\\d+)?')[3]\n"
        "print(m, m.id, m.start, m.end, m.text, m.groups, m.line)\n"
        "print(m['day'], m[2], m.group(), m.group('day', 2), m.groupdict())"
    ),
    "metadata of matches": "[m.metadata for m in search('rent', limit=2)], search('a', docs='a b')[0].metadata == {}",
    "over a margin": "[m.text for m in search('the rent is due', docs='# the\\n# rent\\n#\\n# is due')]",
    "slices": "hits = search('rent', limit=9)\nprint(hits[2:4], hits[-1], len(hits[:0]), [h.id for h in hits[::3]])",
    "chosen matches": "[h for h in search('rent', limit=9) if h.start > 40]",
    "sorted matches": "sorted(search('rent', limit=9), key=lambda h: h.id)[:2]",
    "matches in an f-string": (
        "hits = search('rent', limit=2)\nf'{hits} {isinstance(hits, list)} {bool(hits)} {hits[0] in hits}'"
    ),
    "chunks": "[len(part) for part in chunks(size=500)], chunks(['d1', 'd2'])",
    "chunks of matches": "print(*chunks(search('lease 1[23]')))",
    "chunks of a text": "chunks('one two three', size=6)",
    "one chunk": "chunks(context[0])",
    "an unknown id": "try: chunks('d400')\nexcept KeyError as e: print(e)",
    "a piece for a sub-call": (
        "print(llm_query('Q', context[:2]), llm_query('Q', search('plot 6', limit=1)), llm_query('Q', 'd1'))"
    ),
    "pairs": "rlm_query_batched([('Q', context[1]), ('Q', 'text'), 'alone'])",
    "a map": "llm_map('Say it', [context[0], 'b', search('rent')[0], {'name': 'x', 'year': 1}])",
    "a map with choices": "llm_map('Say it', ['a', 'b'], choices=['Said', 'no']), llm_map('Q', ['a'], None, ['no'])",
    "a map with a type": (
        "print(llm_map('Q', ['a', 'bb'], int), llm_map('Q', ['a'], schema={'name': str, 'year': int}))\n"
        "print(llm_map('Q', ['a'], schema=list[str]), llm_map('Q', ['a'], schema='str | None'))"
    ),
    "unresolved": (
        "found = llm_map('Q', ['a', '?', 'b', '?'])\nprint(found, len(found), found.unresolved, [x for x in found])\n"
        "found[1] = 'by hand'\nprint(found.unresolved, found[1], found == ['a', 2], isinstance(found, list))\n"
        "print(found.ask_again().unresolved)\nprint(found.drop_unresolved())\ndrop_unresolved()\nSHOW_VARS()"
    ),
    "unresolved, shown": "llm_map('Q', ['a', '?', 'b', '?'])",
    "a check": (
        "def check(n):\n    if n == 1: return 'one'\n    assert n != 4, 'four'\n    return n != 5\n"
        "found = llm_map('Q', ['a', 'bb', 'dddd', 'eeeee', '?'], schema=int, check=check)\n"
        "print(found, found.unresolved, found.refused)"
    ),
    "a check that fails of itself": (
        "found = llm_map('Q', ['a', 'bb'], schema=int, check=lambda n: 1 / (n - 2))\n"
        "print(found, found.unresolved, found.refused)"
    ),
    "a filter": "found = llm_filter('C', ['a', 'b', '?'])\nprint(found, found.unresolved)",
    "pairs of items": (
        "found = llm_pairs('Q', ['a', 'b', '?'])\nprint(found, found.unresolved)\n"
        "print(llm_pairs('Q', ['a', context[0]], ['c\\nb'])[0][0])"
    ),
    "a query with a schema": (
        "print(llm_query('Q', schema=int), llm_query('Q', context[0], {'a': str}))\n"
        "print(llm_query_batched(['a', '?'], schema=int))"
    ),
    "an answer of a map": "FINAL({'found': llm_map('Q', ['a', '?'])})\nlist(answer['content']['found'])",
    "no schema": "try: llm_map('Q', ['a'], schema='a list')\nexcept TypeError as e: print(e)",
    "no check": "try: llm_map('Q', ['a'], check='c')\nexcept TypeError as e: print(e)",
    "too many pairs": "try: llm_pairs('Q', ['a'] * 1000)\nexcept ValueError as e: print(e)",
    "choices that are none": "try: llm_map('Say it', ['a'], choices=[3])\nexcept TypeError as e: print(e)",
    "a loop": "n = 0\nwhile n < 3:\n    n += 1\nelse:\n    print(n)",
}  # fmt: skip

GAPS = {
    "language-sub_with_function": "re.sub with a function",
    "language-threads": "the module concurrent.futures",
    "language-asyncio": "async with",
    "language-generator": "yield",
    "language-classes": "class inheritance",
    "language-dataclass_enum": "class inheritance, and the module enum",
    "language-namedtuple": "class inheritance, so typing.NamedTuple",
    "language-numbers": "the modules statistics and fractions",
    "language-itertools": "the module heapq",
    "language-tables": "the modules io and textwrap",
    "language-text_tools": "the modules html, difflib and string",
    "language-star_and_slices": "del",
    "language-pickle_copy": "the module pickle",
    "language-annotations": "__annotations__ of functions",
    "language-introspection": "the module inspect",
    "language-globals": "globals()",
    "language-recursion": "sys.setrecursionlimit",
    "root_lm-regex_compile_flags_sub": "re.sub with a function",
    "root_lm-generator_fn": "yield",
    "root_lm-dataclass": "dataclasses.asdict",
    "root_lm-str_methods": "str.translate and str.maketrans",
    "root_lm-statistics_mod": "the module statistics",
    "root_lm-heapq_bisect": "the module heapq",
    "root_lm-textwrap_string": "the modules textwrap and string",
    "root_lm-csv_io": "the module io",
    "root_lm-del_slice_assign_aug": "del",
    "root_lm-threadpool": "the module concurrent.futures",
    "root_lm-final_var_builtins": "callable",
    "root_lm-collections_deque_named": "collections.OrderedDict",
    "root_lm-unicodedata_html": "the module html",
    "root_lm-pathlib_urlparse": "the module urllib",
}
"""The programs that show something else in Monty, and what its Python lacks for them."""


def _programs() -> dict[str, list[str]]:
    programs: dict[str, list[str]] = {}
    for file in FILES:
        _, *parts = re.split(r"^=== (\w+)\n", (PROGRAMS / f"{file}.txt").read_text("utf-8"), flags=re.M)
        for name, body in zip(parts[::2], parts[1::2], strict=True):
            programs[f"{file}-{name}"] = [f"documents = {json.dumps(DOCUMENTS)}", *body.strip().split("\n---\n")]
    return programs


def mapped(call: LlmMap) -> dict[str, Any]:
    """A host that finds the length of each item, and nothing of those with a question mark."""
    task, items = read_map(call.sent)
    yes_no, words = task.schema == {"type": "boolean"}, task.schema is None
    values = [
        [
            item.index,
            "b" in item.text if yes_no else f"{item.text[:9]} {item.why}" if words else len(item.text + item.why),
        ]
        for item in items
        if "?" not in item.text
    ]
    left = [[item.index, "no reply"] for item in items if "?" in item.text]
    return {"map": call.map or 7, "values": values, "left": left}


async def _shown(settings, attach, sandbox, context, programs) -> dict[str, str]:
    """What each program prints, or how it fails, in one session."""

    def answer(call):
        match call:
            case Reserve():
                return 1
            case LlmMap():
                return mapped(call)
            case MapLeft():
                return "told"
            case _:
                return f"reply to {getattr(call, 'prompt', '')}"

    repl = await resolve_sandbox(sandbox).open(context, settings(sub_call_chars=100_000, memory_mb=512))
    session = attach(repl, answer)
    shown: dict[str, str] = {}
    for name, steps in programs.items():
        for step in steps:
            done = await session.run(step)
            assert isinstance(done, StepDone), (name, done)
            shown[name] = done.output.head + done.output.tail
            if done.error is not None:
                shown[name] = f"failed: {done.error.message}"
                break
    await repl.close()
    return shown


async def _differing(settings, attach, context, programs, other="monty") -> dict[str, tuple[str, str]]:
    process = await _shown(settings, attach, "process", context, programs)
    others = await _shown(settings, attach, other, context, programs)
    return {name: (process[name], others[name]) for name in programs if process[name] != others[name]}


@pytest.mark.parametrize("other", ["wasi", "monty"])
async def test_our_functions_show_the_same(settings, attach, request, other):
    if other == "wasi":
        request.getfixturevalue("wasi_component")
    programs = {name: [code] for name, code in FUNCTIONS.items()}
    assert await _differing(settings, attach, Corpus.of(DOCUMENTS), programs, other) == {}


async def test_programs_show_the_same_but_for_the_gaps_of_the_language(settings, attach):
    differing = await _differing(settings, attach, Corpus.of(TEXT), _programs())
    assert {name: monty for name, (_, monty) in differing.items()}.keys() == GAPS.keys(), differing
