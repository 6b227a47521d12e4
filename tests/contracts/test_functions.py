"""The functions of the REPL show the same in every sandbox."""

from __future__ import annotations

from typing import Any

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


async def _shown(settings, attach, sandbox, context) -> dict[str, str]:
    """What each use of them prints, or how it fails, in one REPL."""

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
    live = attach(repl, answer)
    shown: dict[str, str] = {}
    for name, code in FUNCTIONS.items():
        done = await live.run(code)
        assert isinstance(done, StepDone), (name, done)
        shown[name] = done.output.head + done.output.tail if done.error is None else f"failed: {done.error.message}"
    await repl.close()
    return shown


async def test_our_functions_show_the_same(wasi_component, settings, attach):
    process, wasi = [await _shown(settings, attach, name, Corpus.of(DOCUMENTS)) for name in ("process", "wasi")]
    assert {name: (process[name], wasi[name]) for name in FUNCTIONS if process[name] != wasi[name]} == {}
