"""A package as `tokenlearn-static-model`, of the tokens that a text has: to read all 276,326 takes three seconds."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

_SHORT = 12


def write_package(folder: Path, text: str) -> None:
    """Write it as `static_model`. Whatever is embedded of the text is embedded as by the whole model."""
    import orjson  # as langsmith does: json takes five times as long
    from safetensors.numpy import load_file, save_file  # which is there where the package is in use

    spec = find_spec("static_model")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    whole, model = Path(spec.submodule_search_locations[0], "model"), folder / "static_model" / "model"
    model.mkdir(parents=True)
    (model.parent / "__init__.py").touch()
    (model / "config.json").write_bytes((whole / "config.json").read_bytes())
    tokenizer = orjson.loads((whole / "tokenizer.json").read_bytes())
    vocabulary = tokenizer["model"]["vocab"]
    first = range(tokenizer["model"]["unk_id"] + 1)  # which are known by their numbers
    short = {text[at : at + length] for length in range(_SHORT) for at in range(len(text))}
    found = [
        number
        for number, (token, _) in enumerate(vocabulary)
        if number in first or (word := token.strip("▁")) in short or (len(word) >= _SHORT and word in text)
    ]
    tokenizer["model"]["vocab"] = [vocabulary[number] for number in found]
    (model / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    arrays = load_file(whole / "model.safetensors")
    of_tokens = {name: array[found] for name, array in arrays.items() if len(array) == len(vocabulary)}
    save_file(arrays | of_tokens, model / "model.safetensors")
