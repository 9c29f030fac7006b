"""Structured logging: one JSON object per line on standard error, without secrets or bodies.

A record is an event name plus fields: ``log.info("bind.accepted", extra={"fields": {...}})``.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import IO

# Fields whose value is never shown, whoever logs them.
_REDACTED = frozenset(
    {"password", "secret", "token", "text", "short_message", "body", "authorization"}
)


class JsonFormatter(logging.Formatter):
    """Renders a record as one JSON line: time, level, logger, event, fields."""

    def format(self, record: logging.LogRecord) -> str:
        """One line; an exception becomes the field `error` with its traceback."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        fields = getattr(record, "fields", None)
        if isinstance(fields, dict):
            for name, value in fields.items():
                line[name] = "[redacted]" if name.lower() in _REDACTED else value
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def configure(level: str = "INFO", stream: IO[str] | None = None) -> None:
    """Sends every logger through the JSON formatter to `stream` (standard error)."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Request lines of the HTTP server would repeat customers' numbers at INFO, statements of the
    # database driver their contents at DEBUG.
    for name in ("aiohttp.access", "aiosqlite"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("aiohttp.server").addFilter(_without_traceback)


def _without_traceback(record: logging.LogRecord) -> bool:
    """Requests that are no HTTP are the client's fault; the error's text repeats their octets."""
    record.exc_info = None
    return True
