"""Long texts, which the REPLs share: they stay as they are, act like any str, and none can change them for others."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from pathlib import Path

import pytest

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.sandboxes.process_worker.document_file import RecordReader, RecordWriter
from rlm_integrations.sandboxes.process_worker.shared_text import can_seal, can_share, load_text
from rlm_integrations.sandboxes.process_worker.text_file import SHARED_MIN_CHARS, TextFile, form_of

ENDS = {
    "ascii": "needle CRLF\r\nNUL\0 end",
    "latin-1": "needle CRLF\r\nNUL\0 \x85 é end",
    "utf-16-le": "needle CRLF\r\nNUL\0 中文 \u2028 lone \ud800 two \ud83d\ude00 end",
    "utf-32-le": "needle CRLF\r\nNUL\0 中文 lone \ud800 two \ud83d\ude00 one 😀 end",
}
"""What stands at the end of a long text, and gives it its form."""

LIBC = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nlibc.mmap.restype = ctypes.c_void_p\n"
CHARACTERS = "page = (id(context) >> 12 << 12) + 4096\n"  # where the shared pages begin


def long_text(form: str) -> str:
    return "x" * SHARED_MIN_CHARS + ENDS[form]


@pytest.fixture(params=ENDS)
def form(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def mapped_files(repl_processes):
    """The processes below this one that map shared texts, with the rights of their mappings."""

    def mappings() -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        for pid in repl_processes():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # of an earlier test, and it ends now
                lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
                if rights := [line.split()[1] for line in lines if "/memfd:rlm-texts" in line]:
                    found[pid] = rights
        return found

    return mappings


def test_a_form_is_the_narrowest_that_holds_every_character(form: str):
    text = long_text(form)
    assert form_of(text) == form
    assert form_of(text[::-1]) == form


@pytest.mark.parametrize("shared", [True, False])
def test_a_text_is_the_same_shared_and_copied(form: str, shared: bool):
    texts = [long_text(form), "y" + long_text(form)]
    file = TextFile("test")
    places = [file.add(text) for text in texts]
    descriptor = file.finish()
    loaded = [load_text(descriptor, place, shared=shared) for place in places]
    os.close(descriptor)
    assert loaded == texts
    assert [hash(text) for text in loaded] == [hash(text) for text in texts]


def test_this_python_can_share():
    assert can_share()


def test_nobody_can_write_to_a_finished_file():
    file = TextFile("test")
    place = file.add("x" * 5_000)
    descriptor = file.finish()
    writable = os.open(f"/proc/self/fd/{descriptor}", os.O_RDWR)
    for write in (lambda: os.write(writable, b"y"), lambda: os.ftruncate(writable, 0)):
        with pytest.raises(PermissionError):
            write()
    assert load_text(descriptor, place, shared=False) == "x" * 5_000
    os.close(writable)
    os.close(descriptor)


def test_long_and_short_texts_keep_their_places():
    texts = ["short", "x" * SHARED_MIN_CHARS, "", "y" * (SHARED_MIN_CHARS + 1), "end"]
    file = TextFile("test")
    writer = RecordWriter("test", file)
    writer.documents(len(texts), ((str(place), text, {"n": place}, ()) for place, text in enumerate(texts)))
    descriptor = file.finish()
    reader = RecordReader(writer.finish(), lambda place: load_text(descriptor, place, shared=True))
    documents = reader.documents()
    reader.close()
    os.close(descriptor)
    assert documents == [{"id": str(n), "text": text, "metadata": {"n": n}} for n, text in enumerate(texts)]


EVERYDAY_USE = """
import gc, hashlib, pickle, re, sys
digest = hashlib.sha256(context.encode("utf-8", "surrogatepass")).hexdigest()
at = context.find("needle")
matches = [m.start() for m in re.finditer("needle", context)]
end = context[at:]
again = pickle.loads(pickle.dumps(end)) if not re.search("[\\ud800-\\udfff]", end) else end
print(type(context) is str, digest, len(context), sys.getsizeof(context), at, matches, context.count("x"))
print(again == end, {context: 1}[context], context is (context + "")[:], (context + "x")[-1], ascii(end))
copy = context[1:]
print(hash(context) == hash("x" + copy), context == "x" + copy, context > copy, sys.intern(context) == context)
context += "more"
print(len(context), gc.collect() >= 0)
del context, copy
_ = gc.collect()
"""


async def test_a_long_text_acts_like_any_other(open_repl, form: str):
    text = long_text(form)
    live = await open_repl(text)
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    expected = (
        f"True {digest} {len(text)} {sys.getsizeof(text)} {SHARED_MIN_CHARS} [{SHARED_MIN_CHARS}] {text.count('x')}\n"
        f"True 1 True x {ENDS[form]!a}\n"
        f"True True {text > text[1:]} True\n"
        f"{len(text) + 4} True"
    )
    assert await live.value(EVERYDAY_USE) == expected
    assert await live.value("len(context)") == str(len(text))  # which was deleted


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into a worker")
async def test_the_repls_share_one_read_only_mapping(open_repl, mapped_files, until):
    before = mapped_files()
    corpus = Corpus.of(long_text("utf-16-le"))
    for _ in range(3):
        live = await open_repl(corpus)
        assert await live.value("context.count('needle')") == "1"

    def new() -> list[list[str]]:
        return [rights for pid, rights in mapped_files().items() if pid not in before]

    await until(lambda: len(new()) == 5)  # three workers, the spare for a fourth, and their holder
    assert new() == [["r--s"]] * 5


async def test_no_repl_can_write_to_what_all_share(open_repl):
    corpus = Corpus.of(long_text("ascii"))
    beside = await open_repl(corpus)
    hostile = await open_repl(corpus)
    refused = "-1 13"  # EACCES, from the kernel: the file was opened for reading
    make_writable = f"{LIBC}{CHARACTERS}print(libc.mprotect(ctypes.c_void_p(page), 4096, 3), ctypes.get_errno())"
    assert await hostile.value(make_writable) == refused
    remove = f"{LIBC}{CHARACTERS}print(libc.madvise(ctypes.c_void_p(page), 4096, 9), ctypes.get_errno())"
    assert (await hostile.value(remove)).startswith("-1 ")
    assert "SIGSEGV" in await hostile.death(f"{LIBC}{CHARACTERS}ctypes.memset(page, 0, 4096)")
    forge_length = "import ctypes\nctypes.c_ssize_t.from_address(id(context) + 16).value = 3\nprint(len(context))"
    hostile = await open_repl(corpus)
    assert await hostile.value(forge_length) == "3"
    for live in (beside, await open_repl(corpus)):
        assert await live.value("len(context), context.strip('x')") == f"({len(corpus.text)}, {ENDS['ascii']!r})"


UNMAP = """
libc.mmap.restype = libc.mremap.restype = ctypes.c_long
size = ctypes.c_size_t(1 << 20)
for at in (page, page + (50 << 20)):
    print(libc.munmap(ctypes.c_void_p(at), size), end=" ")
    print(libc.mmap(ctypes.c_void_p(at), size, 3, 0x32, -1, 0), end=" ")
    print(libc.mremap(ctypes.c_void_p(at), size, ctypes.c_size_t(4096), 1), end=" ")
    print(libc.mprotect(ctypes.c_void_p(at), size, 0), end=" ")
"""
TAKE = """
libc.mmap.restype = libc.mremap.restype = ctypes.c_void_p
libc.getauxval.restype = ctypes.c_ulong
libc.munmap(ctypes.c_void_p(page), ctypes.c_size_t(100 << 20))
stack = ctypes.c_void_p(libc.getauxval(25) & ~4095)  # its memory is not part of what RLIMIT_DATA counts
took = 100 if libc.mremap(stack, ctypes.c_size_t(4096), ctypes.c_size_t(100 << 20), 1) != 2**64 - 1 else 0
while took < 150:  # nor is what cannot be written any more
    piece = libc.mmap(None, ctypes.c_size_t(8 << 20), 3, 0x22, -1, 0)
    if piece == 2**64 - 1: break
    ctypes.memset(piece, 1, 8 << 20)
    libc.mprotect(ctypes.c_void_p(piece), ctypes.c_size_t(8 << 20), 1)
    took += 8
print(took)
"""


@pytest.mark.skipif(not can_seal(), reason="this kernel has no mseal")
async def test_a_shared_text_stays_where_it_is(open_repl):
    live = await open_repl("x" * (100 << 20), memory_mb=64)
    assert await live.value(f"{LIBC}{CHARACTERS}{UNMAP}") == " ".join(["-1"] * 8)
    assert await live.value("context.count('x')") == str(100 << 20)


@pytest.mark.skipif(not can_seal(), reason="this kernel has no mseal")
async def test_the_room_of_a_shared_text_is_not_to_be_had(open_repl):
    live = await open_repl("x" * (100 << 20), memory_mb=64)
    assert int(await live.value(f"{LIBC}{CHARACTERS}{TAKE}")) <= 64 + 24, "and what the REPL has for itself"


async def test_the_memory_limit_is_on_top_of_the_corpus(open_repl):
    live = await open_repl("x" * (100 << 20), memory_mb=64)
    assert await live.value("len(bytes(60 << 20))") == str(60 << 20)
    assert (await live.error("bytes(100 << 20)")).startswith("MemoryError")
    assert (await live.error("context + 'x'")).startswith("MemoryError")
    assert await live.value("context.count('x')") == str(100 << 20)
