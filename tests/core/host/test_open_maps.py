"""What the host keeps of typed maps is bounded by what was paid for, whatever code says of them."""

from __future__ import annotations

from rlm_integrations import RLMEngine
from rlm_integrations.core.host.open_maps import OpenMaps
from rlm_integrations.testing import ScriptedModel
from rlm_integrations.wire.typed_maps import MapItem, MapTask

TASK = MapTask("map", "Say it.")
MANY = [MapItem(index, why="w" * 300, label="l" * 50) for index in range(1_000)]


def left(maps: OpenMaps) -> list[int]:
    return [len(each.left) for each in maps.unresolved()]


def test_of_a_map_nothing_is_unresolved_but_its_items() -> None:
    maps = OpenMaps()
    two, none = maps.open(TASK, 2), maps.open(TASK, 0)
    for map_id in (two, none):
        maps.set_left(map_id, MANY)
    assert left(maps) == [2]
    maps.asked(two, MANY, MANY)
    assert left(maps) == [2]


def test_a_map_without_items_is_none() -> None:
    forged = """```repl
import sys
maps = sys.modules["rlm_integrations.repl.asked_map"]
maps.ask_map(llm_map.__self__._host, maps.MapTask("map", "Say it."), [], None)
```"""
    root = ScriptedModel([forged, '```repl\nFINAL("on we go")\n```'])
    assert RLMEngine(root).run("?", "A text.").text == "on we go"
    assert "llm_map: there are no items" in root.requests[1][-1].content
