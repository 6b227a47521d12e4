"""Model doubles for users' own tests. Importing this imports no framework.

`rlm_integrations.testing.langchain.ScriptedChatModel` and `rlm_integrations.testing.llama_index.ScriptedLLM`
are the same doubles as model objects of the frameworks.
"""

from rlm_integrations.testing.recording import Recorder
from rlm_integrations.testing.replaying_model import ReplayingModel
from rlm_integrations.testing.scripted_model import PythonCalls, ScriptedModel, ScriptExhausted

__all__ = ["PythonCalls", "Recorder", "ReplayingModel", "ScriptExhausted", "ScriptedModel"]
