"""Turns from what a gateway wrote: its log as JSON lines (``TRUNKLINE_LOG_FORMAT=json``), or the records of calls.

A call's record is the ``.json`` beside a recording, or what ``trunkline demo --json`` prints. No field that may be
private is read.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from trunkline.call.latency import TurnLatency
from trunkline.call.session import Turn
from trunkline.cli._latency_turns import MeasuredTurn, Reading
from trunkline.errors import AudioError

MAX_RECORD_BYTES: Final = 64 * 1024 * 1024
"""A record that is spread over many lines has to be read whole; an hour's call is under a megabyte."""


class _Line(TurnLatency, frozen=True, kw_only=True):
    """A line of the log that tells of a turn."""

    event: str
    call: str = ""
    generation: int = 0


class _Record(msgspec.Struct, frozen=True):
    """As much of a call's record as is needed."""

    call_id: str
    turns: list[Turn]


_line: Final = msgspec.json.Decoder(_Line)
_record: Final = msgspec.json.Decoder(_Record)


def read(lines: Iterable[bytes], name: str) -> Reading:
    """The turns in a log or in records, in their order. Raises ``AudioError`` where there are none."""
    found: list[MeasuredTurn] = []
    seen = json = records = 0
    unread = bytearray()
    for line in lines:
        text = line.strip()
        if not text:
            continue
        seen += 1
        if not json and len(unread) <= MAX_RECORD_BYTES:
            unread += line
        if not _is_object(text):
            continue
        json += 1
        if (record := _as_record(text)) is not None:
            records += 1
            found += _of_record(record, name)
        elif (turn := _as_turn(text)) is not None:
            found.append(_told(turn, name, turn.call, turn.generation))
    if not json and (record := _as_record(bytes(unread))) is not None:  # one record on many lines
        records = json = 1
        found += _of_record(record, name)
    if found:
        return Reading(found)
    raise AudioError(_nothing(name, seen, json, records))


def call_of(record: bytes) -> str:
    """The id of the call that this is the record of; empty where it is something else."""
    known = _as_record(record)
    return known.call_id if known else ""


def _nothing(name: str, seen: int, json: int, records: int) -> str:
    if not seen:
        return f"{name} is empty: expected a log, a call's record or a recording"
    if not json:
        return (
            f"{name} is neither a recording nor JSON: expected a recording, a call's record, "
            "or a log written with TRUNKLINE_LOG_FORMAT=json"
        )
    if records:
        return f"{name} is the record of a call without a turn"
    return f"{name} is JSON, and no line of it tells of a turn: is it a Trunkline log, at the level info?"


def _is_object(text: bytes) -> bool:
    try:
        return isinstance(msgspec.json.decode(text), dict)
    except msgspec.DecodeError:
        return False


def _as_record(text: bytes) -> _Record | None:
    try:
        return _record.decode(text)
    except (msgspec.ValidationError, msgspec.DecodeError):
        return None


def _as_turn(text: bytes) -> _Line | None:
    try:
        line = _line.decode(text)
    except (msgspec.ValidationError, msgspec.DecodeError):
        return None
    return line if line.event == "turn" and line.stages() else None


def _of_record(record: _Record, name: str) -> list[MeasuredTurn]:
    return [_told(turn.latency, name, record.call_id, turn.generation) for turn in record.turns]


def _told(latency: TurnLatency, name: str, call: str, turn: int) -> MeasuredTurn:
    known = {"stt": 0.0, "llm": latency.llm_at_ms, "tts": latency.tts_at_ms}
    starts = {stage: at for stage, at in known.items() if at is not None}
    return MeasuredTurn(name, call, turn, latency.stages(), starts)
