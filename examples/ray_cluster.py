"""Sixteen questions over one log, their REPLs on the machines of a Ray cluster: here two, both on this machine.

With the address of a cluster as the first argument, REPLs are on its machines, which need this package, too. The
engine, its model and its key stay in this program. With OPENAI_API_KEY set it asks gpt-5; without, a scripted model.
In a clone: pip install ".[ray]" (and ".[openai]" for a real model).
"""

import os
import re
import sys
from collections.abc import Sequence

import ray
from ray.cluster_utils import Cluster

from rlm_integrations import LanguageModel, Message, RLMEngine
from rlm_integrations.ray import RaySandbox
from rlm_integrations.testing import ScriptedModel

LINES = 100_000
LOG = "\n".join(f"{n:06d} host-{n % 16:02d} {'ERROR disk full' if n % 97 == 0 else 'INFO ok'}" for n in range(LINES))
CODE = """```repl
answer["content"] = sum("{host}" in line and "ERROR" in line for line in context.splitlines())
answer["ready"] = True
```"""


def code(messages: Sequence[Message]) -> str:
    """What a root LM would write for the host that it is asked about."""
    asked = re.findall(r"has (host-\d+)\?", "".join(message.content for message in messages))
    return CODE.format(host=asked[-1])


def model() -> LanguageModel:
    if os.environ.get("OPENAI_API_KEY"):
        from rlm_integrations.openai import OpenAIModel

        return OpenAIModel("gpt-5")
    return ScriptedModel(always=code)


def main(address: str | None) -> None:
    if not os.environ.get("OPENAI_API_KEY"):
        print("No OPENAI_API_KEY: a scripted model answers. The REPLs and their code run for real, on the cluster.")
    cluster = None
    if address is None:
        machine = {"num_cpus": 1, "object_store_memory": 100 << 20, "include_dashboard": False}
        head = machine | {"node_ip_address": "127.0.0.2", "include_log_monitor": False, "no_monitor": True}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        cluster.add_node(**machine, node_ip_address="127.0.0.3")
        address = cluster.address
    try:
        sandbox = RaySandbox(address)
        engine = RLMEngine(model(), sandbox=sandbox)
        questions = [f"How many errors has host-{n:02d}?" for n in range(16)]
        results = engine.map(questions, LOG, concurrency=8)
        for layer, words in sandbox.capabilities().layers.items():
            print(f"  {layer}: {words}")
        for question, result in zip(questions, results, strict=True):
            print(f"{question} {result.answer}")
        print(f"all errors: {sum(int(result.answer) for result in results):,}")
    finally:
        ray.shutdown()
        if cluster is not None:
            cluster.shutdown()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
