"""A vector store's retriever as the corpus: the run begins with its hits, and the root LM retrieves what they lack.

With OPENAI_API_KEY gpt-5-mini answers; without, a scripted model. A small model that needs no network makes the
embeddings. The store, the searches and the code run for real.
In a clone: pip install ".[langchain]" model2vec tokenlearn-static-model (and langchain-openai for gpt-5-mini).
"""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore

from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.testing.langchain import ScriptedChatModel

QUESTION = "Which dishes of the menu contain nuts, whatever they are called there?"
MENU = [
    "Pesto alla genovese: basil, pine kernels, hard cheese, oil.",
    "Baklava: layers of pastry with pistachios and syrup.",
    "Tomato soup: tomatoes, onions, cream.",
    "Satay skewers: grilled chicken under a peanut sauce.",
    "Green salad: lettuce, cucumber, vinegar.",
    "Marzipan cake: ground almonds, sugar, eggs.",
    "Grilled trout: trout, lemon, potatoes.",
    "Waldorf salad: celery, apples, walnuts, mayonnaise.",
]
SCRIPT = """The hits for the question are a start; each kind of nut is a search of its own.

```repl
kinds = ["almonds", "pistachios", "walnuts", "peanut", "pine kernels", "hazelnuts"]
found = {hit["id"]: hit for hit in context}
for kind in kinds:
    found |= {hit["id"]: hit for hit in retrieve(kind)}
dishes = []
for hit in found.values():
    kind = next((kind for kind in kinds if kind in hit["text"]), None)
    if kind:
        cite(kind, hit["id"])
        dishes.append(hit["text"].split(":")[0])
answer["content"] = ", ".join(sorted(dishes))
answer["ready"] = True
```"""


if not (find_spec("model2vec") and find_spec("static_model")):
    sys.exit("The embeddings need two packages: pip install model2vec tokenlearn-static-model")
from model2vec import StaticModel  # noqa: E402 - else its absence has a traceback


class StaticEmbeddings(Embeddings):
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return model.encode(texts).tolist()

    def embed_query(self, text: str) -> list[float]:
        return model.encode(text).tolist()


if os.environ.get("OPENAI_API_KEY"):
    from langchain_openai import ChatOpenAI

    llm = ChatOpenAI(model="gpt-5-mini")
else:
    print("No OPENAI_API_KEY: a scripted model answers.")
    llm = ScriptedChatModel([SCRIPT])

# model2vec has models by name, from the network; here one is read from the folder of a package that carries it
model = StaticModel.from_pretrained(Path(find_spec("static_model").submodule_search_locations[0], "model"))
store = InMemoryVectorStore(StaticEmbeddings())
store.add_documents([Document(dish, id=f"dish-{n}") for n, dish in enumerate(MENU)])
retriever = store.as_retriever(search_kwargs={"k": 2})
print("Top 2 for the question:", ", ".join(hit.page_content.split(":")[0] for hit in retriever.invoke(QUESTION)))

found = RLMRunnable(llm=llm, context=retriever).with_sources().invoke(QUESTION)
print("The run's answer:", found["answer"])
print("It rests on:", ", ".join(sorted(document.id for document in found["context"][:5])))
