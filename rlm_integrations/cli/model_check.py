"""One small request to a model's server, for `doctor`."""

from __future__ import annotations

from rlm_integrations.cli.model_errors import OPENAI_URL, hint
from rlm_integrations.cli.shell_words import in_shell_words
from rlm_integrations.core.calls.unreachable import why_no_reply
from rlm_integrations.core.errors import RLMError
from rlm_integrations.core.language_model import Message
from rlm_integrations.core.wording import error_words, one_line
from rlm_integrations.terminal.printable import one_sentence

_PROMPT = "Reply with one word: ready"
_SECONDS = 60.0
_NAMES = 10


def check_model(base_url: str | None, model: str | None) -> tuple[bool, str]:
    """Whether it works, and what to say of it. Without a model the server is asked which ones it has."""
    url = base_url or OPENAI_URL
    try:
        from rlm_integrations.openai import OpenAIModel

        asked = OpenAIModel(model or "any", base_url, max_retries=0, timeout_s=_SECONDS)
        url = asked.base_url or url
        if model is None:
            return True, f"{url} has these models: {_names_at(url)}"
        reply = asked.complete_sync([Message("user", _PROMPT)])
    except RLMError as error:
        return False, in_shell_words(str(error))
    except Exception as error:  # the SDK's, or whatever a server makes it raise
        return False, one_line(why_no_reply(error, url) or hint(error, url) or f"{url}: {error_words(error)}")
    return True, f"the model {model} at {url} replied: {one_line(one_sentence(reply.text), 60)}"


def _names_at(url: str) -> str:
    import openai

    from rlm_integrations.openai.credentials import api_key_for

    with openai.OpenAI(base_url=url, api_key=api_key_for(url, None), max_retries=0, timeout=_SECONDS) as client:
        names = sorted(each.id for each in client.models.list().data)
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return (", ".join(names[:_NAMES]) or "none") + more
