"""Whether a model refused a prompt because it is longer than its window. Pure, and of no SDK: by names and words."""

from __future__ import annotations

from collections.abc import Iterator

from rlm_integrations.core.calls.reply_fields import field_of
from rlm_integrations.core.recorded_failure import RecordedFailureError

_NAMES = ("ContextOverflow", "ContextWindowExceeded", "ContextLengthExceeded")
"""In the names of exceptions: of LangChain, LiteLLM and others."""
_CODES = {
    "context_length_exceeded",
    "context_window_exceeded",
    "model_max_prompt_tokens_exceeded",
    "exceed_context_size_error",
    "request_too_large",
    "string_above_max_length",
}
_TOO_LARGE = 413
_OF_OTHER_FAULTS = {401, 403, 404, 408, 409, 429}
_OTHER_FAULTS = ("rate limit", "rate_limit", "ratelimit", "per minute", "per min", "per day", "quota")
"""Limits that a wait lifts, and no shorter prompt."""
_WINDOWS = ("context length", "context_length", "context window", "context_window", "context size", "context limit")
_EXCEEDED = (
    "exceed",
    "overflow",
    "too long",
    "too large",
    "longer than",
    "larger than",
    "greater than",
    "maximum",
    "only",
    "reduce the length",
)
_WORDS = (
    ("maximum number of tokens", "exceed"),
    ("input token", "exceed"),
    ("input length", "exceed"),
    ("prompt length", "exceed"),
    ("prompt length", "maximum"),
    ("max_new_tokens", "must be <="),
    ("maximum model length",),
    ("max_model_len",),
    ("max_input_len",),
    ("max_seq_len",),
    ("prompt is too long",),
    ("prompt too long",),
    ("prompt is too large",),
    ("input is too long",),
    ("input is too large",),
    ("too many input tokens",),
    ("too many tokens: ",),
    ("reduce the length of the messages",),
    ("reduce the length of the prompt",),
    ("request exceeds the maximum size",),
    ("request entity too large",),
    ("payload too large",),
    ("request too large for model",),
    ("too large for the model", "tokens"),
    ("all messages is too long",),
    ("conversation is too long",),
    ("message is too long",),
    ("input text is too long",),
    ("prompt too big",),
    ("string too long", "messages["),
    ("input length should be",),
    ("input characters",),
    ("expected maxlength",),
    ("must have less than", "tokens"),
    ("input prompt", "too long"),
    ("input is longer than",),
    ("maximum sequence length",),
    ("max sequence length",),
    ("max_position_embeddings",),
    ("n_ctx",),
    ("context shift is disabled",),
    ("exceed", "model's context"),
    ("exceed", "max message tokens"),
    ("exceed", "model token limit"),
    ("exceeds the max ", "tokens"),
    ("number of tokens", "exceed"),
    ("token count", "exceed"),
    ("total message size", "exceed"),
    ("prompt exceeds max length",),
    ("prompt tokens limit exceeded",),
    ("maximum allowed number of input tokens",),
    ("tokens in request exceed",),
    ("too many tokens in prompt",),
    ("max_tokens", "must be at least 1", "got -"),  # what vLLM has left of its window for the reply
    ("超过", "长度"),
    ("超出", "长度"),
    ("输入", "过长"),
)
"""What servers say instead of naming the context: of one tuple, all."""
_READ_CHARS = 4_000
_MOST_CAUSES = 5


def is_overflow(error: BaseException) -> bool:
    """Whether the model, or its server, says that the prompt does not fit: the error, or what caused it."""
    if isinstance(error, RecordedFailureError):
        return error.too_long
    return any(map(_says_so, _with_causes(error)))


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    each: BaseException | None = error
    for _ in range(_MOST_CAUSES):
        if each is None:
            return
        yield each
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)


def _says_so(error: BaseException) -> bool:
    if any(name in of.__name__ for of in type(error).__mro__ for name in _NAMES):
        return True
    body = field_of(error, "body")
    told = [error, body, field_of(body, "error")]
    codes = (field_of(holder, name) for holder in told for name in ("code", "type"))
    if any(isinstance(code, str) and code in _CODES for code in codes):
        return True
    status = _status(error)
    if status == _TOO_LARGE:
        return True
    if status in _OF_OTHER_FAULTS or isinstance(error, TimeoutError):
        return False
    return _words_say_so(error)


def _words_say_so(error: BaseException) -> bool:
    try:
        words = str(error)[:_READ_CHARS].lower()
    except Exception:  # an exception may do what it likes
        return False
    if any(other in words for other in _OTHER_FAULTS):
        return False
    if any(window in words for window in _WINDOWS) and any(exceeded in words for exceeded in _EXCEEDED):
        return True
    return any(all(part in words for part in parts) for parts in _WORDS)


def _status(error: BaseException) -> object:
    """The HTTP status, where the SDKs have it."""
    for holder in (error, getattr(error, "response", None)):
        for name in ("status_code", "http_status", "code"):
            status = field_of(holder, name)
            if isinstance(status, int):
                return status
    return None
