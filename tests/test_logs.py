"""Log lines: their form, the call's id on each, and what is never in them."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from trunkline import logs


@pytest.fixture(autouse=True)
def _restored() -> Iterator[Any]:
    """Logging is the process's: leave it as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers, root.level = handlers, level


def written(format: Any = "json", level: Any = "info") -> Any:
    """A configured stream, and a function that returns what was logged so far."""
    stream = io.StringIO()
    logs.configure(level=level, format=format, stream=stream)
    if format == "json":
        return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    return stream.getvalue


def test_a_line_of_json_holds_time_level_event_and_fields() -> None:
    read = written()
    logs.get("trunkline.call.runner").bind(call="CA1").info("turn ended", heard_ms=1240)
    (line,) = read()
    assert line.pop("timestamp").endswith("Z")
    assert line == {"level": "info", "event": "turn ended", "room": "call.runner", "call": "CA1", "heard_ms": 1240}


def test_the_calls_id_is_on_every_line_of_its_task() -> None:
    read = written()
    with structlog.contextvars.bound_contextvars(call="CA1"):
        logs.get("a").info("one")
        logs.get("b").info("two")
    assert [line["call"] for line in read()] == ["CA1", "CA1"]


@pytest.mark.parametrize("format", ["console", "json"])
@pytest.mark.parametrize(
    "field", ["caller", "callee", "text", "digits", "auth_token", "heard_text", "api_secret", "body", "authorization"]
)
def test_private_fields_show_no_value(format: Any, field: str) -> None:
    read = written(format)
    logs.get("a").warning("something", **{field: "+15005550006"}, inner={field: "+15005550006", "kept": 1})
    shown = json.dumps(read(), ensure_ascii=False)
    assert "15005550006" not in shown
    assert logs.MASK in shown
    assert "kept" in shown


def test_a_private_value_that_was_looked_at_is_shown() -> None:
    read = written()
    logs.get("a").info("greeting", text=logs.shown("Welcome to Luigi's"))
    assert read()[0]["text"] == "Welcome to Luigi's"


@pytest.mark.parametrize("format", ["console", "json"])
def test_a_traceback_shows_no_local_variables(format: Any) -> None:
    def fail() -> None:
        number = "+1500" + "5550006"
        raise RuntimeError(f"a number of {len(number)} characters")

    read = written(format)
    try:
        fail()
    except RuntimeError:
        logs.get("a").exception("call failed")
    shown = json.dumps(read())
    assert "in fail" in shown
    assert "15005550006" not in shown


def test_what_is_below_the_level_costs_nothing_and_says_nothing() -> None:
    read = written(level="warning")
    log = logs.get("a").bind(call="CA1")
    log.info("not this")
    log.warning("this")
    assert [line["event"] for line in read()] == ["this"]


def test_libraries_lines_have_the_same_form_and_their_chatter_is_left_out() -> None:
    read = written()
    logging.getLogger("httpx").info("HTTP Request: POST https://api.example.org/Accounts/AC1")
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    (line,) = read()
    assert (line["event"], line["level"]) == ("Invalid HTTP request received.", "warning")


def test_a_person_reads_one_line_without_colours_in_a_file() -> None:
    read = written("console")
    logs.get("trunkline.server").info("media socket open", platform="twilio")
    assert "\x1b" not in read()
    assert "media socket open" in read()
    assert "platform=twilio" in read()
