"""Documents with lone surrogates, which Monty cannot hold, have clean ids of their own and are cited as they came."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rlm_integrations.sandboxes.monty import surrogate_free_port
from rlm_integrations.sandboxes.monty.clean_text import clean
from rlm_integrations.sandboxes.monty.surrogate_free_port import SurrogateFreePort
from rlm_integrations.wire.calls import Cite, Retrieve

IDS = st.text("a#2\ud800\udfff\ufffd", max_size=4)


class _Host:
    """Answers `retrieve` with what it was given last, and keeps citations."""

    def __init__(self):
        self.found, self.cited = [], []

    def call(self, call):
        if isinstance(call, Retrieve):
            return self.found
        self.cited.append(call)
        return None

    def call_all(self, calls):
        return [self.call(call) for call in calls]

    def print_head(self, text):
        raise NotImplementedError


def _document(id_):
    return {"id": id_, "text": f"text of {id_}", "metadata": {}}


@given(st.lists(IDS, unique=True), st.lists(st.lists(IDS, unique=True), max_size=3))
def test_each_document_has_one_clean_id_of_its_own_whatever_comes_when(corpus, retrieved):
    host = _Host()
    port = SurrogateFreePort(host)
    names = dict(zip(corpus, [each["id"] for each in port.cleaned(map(_document, corpus))], strict=True))
    assert all(names[id_] == id_ for id_ in corpus if "\ud800" not in id_ and "\udfff" not in id_)
    for ids in retrieved:
        host.found = [_document(id_) for id_ in ids]
        for id_, document in zip(ids, port.call(Retrieve("q")), strict=True):
            document["text"].encode()
            assert names.setdefault(id_, document["id"]) == document["id"]
    assert len(set(names.values())) == len(names)
    for id_, name in names.items():
        name.encode()
        port.call(Cite(name, 0, 8 + len(id_), "as the VM has it"))
        expected = f"text of {id_}" if id_ != name or not _is_clean(id_) else "as the VM has it"
        assert (host.cited[-1].document_id, host.cited[-1].text) == (id_, expected)


def _is_clean(text):
    return "\ud800" not in text and "\udfff" not in text


class _Counted(str):
    """A text that counts how often it is looked up, or a name is made of it."""

    __slots__ = ()
    uses = 0

    def __hash__(self):
        _Counted.uses += 1
        return str.__hash__(self)

    def __format__(self, spec):
        _Counted.uses += 1
        return str.__format__(self, spec)


def test_telling_ids_apart_takes_no_look_at_all_the_others(monkeypatch):
    monkeypatch.setattr(surrogate_free_port, "clean", lambda text: _Counted(clean(text)))
    uses = {}
    for many in (200, 2_000):
        before = _Counted.uses
        ids = [id_ for n in range(many) for id_ in (f"\ud800{n}", chr(0xD800 + n))]
        assert len({each["id"] for each in SurrogateFreePort(_Host()).cleaned(map(_document, ids))}) == 2 * many
        uses[many] = _Counted.uses - before
    assert 0 < uses[2_000] < 12 * uses[200]
