"""Structured logs: one event and its fields per line, for people or for machines, with private values masked.

    log = logs.get(__name__).bind(call=call_id)
    log.info("turn ended", heard_ms=1240, text=transcript)      # text=‹private›

The event is a fixed phrase. Whatever varies is a field, and a field named in ``PRIVATE`` never shows its value
unless that very value is wrapped: ``caller=logs.shown(number)``.
"""

import io
import logging
import sys
from typing import Any, Final, Literal, NamedTuple, TextIO, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

Format = Literal["console", "json"]
Level = Literal["debug", "info", "warning", "error"]

PRIVATE: Final = frozenset(
    {
        "audio", "auth", "authorization", "body", "callee", "caller", "cookie", "digit", "digits", "email",
        "from", "headers", "key", "parameters", "password", "payload", "phone", "secret", "signature", "target",
        "text", "ticket", "to", "token", "transcript", "url",
    }
)  # fmt: skip
"""Field names whose values are people's or keys. So are names that end in one of them after an underscore
(``auth_token``, ``heard_text``)."""

MASK: Final = "‹private›"

# Libraries that tell whole URLs and headers at "info".
_TALKATIVE = ("httpx", "httpcore", "uvicorn", "asyncio", "websockets", "picows")


class Shown(NamedTuple):
    """A value its author has looked at: not masked."""

    value: object


def shown(value: object) -> Shown:
    """Let this value through although its field is private."""
    return Shown(value)


def get(name: str) -> FilteringBoundLogger:
    """A logger. ``bind`` fields to it once and they are on each line: ``call`` is the call's id."""
    log: FilteringBoundLogger = structlog.get_logger(room=name.removeprefix("trunkline."))
    return log


def configure(*, level: Level = "info", format: Format = "console", stream: TextIO | None = None) -> None:
    """Set up logging for the process. Lines go to ``stream``, standard error by default."""
    out = stream or cast(TextIO, _StandardError())
    common: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        mask,
    ]
    # Tracebacks without local variables: those hold transcripts and keys.
    rendering: list[Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
        if format == "json"
        else [
            structlog.dev.ConsoleRenderer(
                colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
            )
        ]
    )
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*common, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(out),
    )
    _adopt_standard_logging(out, common, rendering, threshold)


class _StandardError(io.TextIOBase):
    """Standard error, whatever it is by the time a line is written: it may be replaced, and the old one closed."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()

    def isatty(self) -> bool:
        return sys.stderr.isatty()


def mask(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Replace the values of private fields, at any depth."""
    return {field: _masked(field, value) for field, value in event.items()}


def _masked(field: str, value: Any) -> Any:
    if isinstance(value, Shown):
        return value.value
    if field in PRIVATE or field.rpartition("_")[2] in PRIVATE:
        return MASK
    if isinstance(value, dict):
        return {inner: _masked(str(inner), kept) for inner, kept in value.items()}
    return value


def _adopt_standard_logging(out: TextIO, common: list[Processor], rendering: list[Processor], threshold: int) -> None:
    """Give libraries' log records the same form, warnings and up for those that chatter."""
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
            foreign_pre_chain=common,
        )
    )
    logging.basicConfig(handlers=[handler], level=threshold, force=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))
