"""How often requests to a model's server were sent again, as the openai SDK and its HTTP client log it."""

from __future__ import annotations

import logging
from types import TracebackType

from rlm_integrations.core.wording import plural

_SDK = "openai._base_client"
_HTTP = ("httpx", "httpx2")
"""One of them: newer SDKs have a client of their own."""
_SENT_AGAIN = frozenset({408, 409, 429})


class Retries(logging.Handler):
    """Counts while the `with` block lasts. `str` says it: "3 retries (429 Too Many Requests)", or ""."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.count = 0
        self.reason = ""
        """How the server refused last."""
        self._levels: dict[str, int] = {}

    def __str__(self) -> str:
        why = f" ({self.reason})" if self.reason else ""
        return plural(self.count, "retry", "retries") + why if self.count else ""

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == _SDK:
            self.count += str(record.msg).startswith("Retrying request")
        elif isinstance(record.args, tuple) and len(record.args) == 5:
            status, reason = record.args[-2:]
            if isinstance(status, int) and (status in _SENT_AGAIN or status >= 500):
                self.reason = f"{status} {reason}".strip()

    def __enter__(self) -> Retries:
        for name in (_SDK, *_HTTP):
            logger = logging.getLogger(name)
            self._levels[name] = logger.level
            logger.setLevel(min(logger.getEffectiveLevel(), logging.INFO))
            logger.addHandler(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for name, level in self._levels.items():
            logging.getLogger(name).removeHandler(self)
            logging.getLogger(name).setLevel(level)
