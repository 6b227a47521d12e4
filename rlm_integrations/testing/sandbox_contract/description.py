"""What a sandbox says of itself."""

from __future__ import annotations

import inspect

from rlm_integrations.core.sandbox import Sandbox
from rlm_integrations.testing.sandbox_contract.contract import Contract


class DescriptionContract(Contract):
    """What a sandbox says of itself."""

    def test_it_says_what_it_isolates(self, sandbox: Sandbox) -> None:
        said = sandbox.capabilities()
        assert said.name
        assert isinstance(said.confined, bool)  # pyright: ignore[reportUnnecessaryIsInstance]
        assert all(isinstance(word, str) for layer in said.layers.items() for word in layer)  # pyright: ignore[reportUnnecessaryIsInstance]

    def test_it_says_what_its_python_has(self, sandbox: Sandbox) -> None:
        assert isinstance(sandbox.subset, str)  # pyright: ignore[reportUnnecessaryIsInstance]
        assert isinstance(sandbox.modules, tuple)  # pyright: ignore[reportUnnecessaryIsInstance]

    def test_each_gap_is_a_tests_name(self) -> None:
        names = {name for name, _ in inspect.getmembers(type(self), inspect.isfunction)}
        assert {gap.partition("[")[0] for gap in self.gaps} <= names
