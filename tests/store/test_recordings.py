"""Recordings on disk."""

import asyncio
import threading
import wave
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
import soundfile

from trunkline.call.latency import TurnLatency
from trunkline.call.session import CallSession, Key, Turn, Utterance
from trunkline.store.recordings import FileSink, RecordingRoom, record_beside


def session(call_id: str = "CA1") -> CallSession:
    return CallSession(
        call_id=call_id,
        platform="twilio",
        agent="echo",
        started_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        rate=8000,
    )


async def record(room: RecordingRoom, call: CallSession, pieces: list[bytes]) -> None:
    sink = room.sink()
    sink.open(call)
    for piece in pieces:
        sink.write(piece)
    await sink.close()


def test_what_is_written_can_be_read_back(tmp_path: Path) -> None:
    call, room = session(), RecordingRoom(tmp_path / "deep" / "folder")
    pieces = [bytes([i, 0, 255 - i, 0]) * 100 for i in range(10)]
    asyncio.run(record(room, call, pieces))
    room.close()
    with wave.open(call.recording) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 8000)
        assert file.readframes(10_000) == b"".join(pieces)


def test_a_flac_recording_loses_nothing(tmp_path: Path) -> None:
    call, room = session(), RecordingRoom(tmp_path, "flac")
    pcm = bytes(range(256)) * 500
    asyncio.run(record(room, call, [pcm[:6000], pcm[6000:]]))
    room.close()
    assert call.recording.endswith(".flac")
    samples, rate = soundfile.read(call.recording, dtype="int16")
    assert (rate, samples.shape[1], samples.tobytes()) == (8000, 2, pcm)


def test_only_the_owner_may_read_a_recording(tmp_path: Path) -> None:
    call, room = session(), RecordingRoom(tmp_path / "rec")
    asyncio.run(record(room, call, [bytes(4)]))
    room.close()
    assert Path(call.recording).stat().st_mode & 0o077 == 0
    assert record_beside(Path(call.recording)).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("private", [False, True])
def test_the_calls_record_is_beside_its_recording_and_private_only_if_asked(tmp_path: Path, private: bool) -> None:
    call, room = session(), RecordingRoom(tmp_path, private=private)
    call.caller, call.parameters = "+15005550006", {"name": "Ann"}
    call.transcript.append(Utterance("caller", "my secret", 20.0))
    call.keys.append(Key("7", 30.0))
    call.turns.append(Turn(1, TurnLatency(total_ms=250.0), {"total": "OK"}))
    asyncio.run(record(room, call, [bytes(4)]))
    room.close()
    kept = CallSession.from_json(record_beside(Path(call.recording)).read_bytes())
    if private:
        assert kept == call
        return
    assert (kept.call_id, kept.turns, kept.recording) == (call.call_id, call.turns, Path(call.recording).name)
    assert [(said.text, said.at_ms) for said in kept.transcript] == [("", 20.0)]
    assert [(key.digit, key.at_ms) for key in kept.keys] == [("", 30.0)]
    told = record_beside(Path(call.recording)).read_text()
    assert not [secret for secret in ("+1500", "Ann", "secret", str(tmp_path)) if secret in told]


def test_a_record_that_is_there_is_never_written_over(tmp_path: Path) -> None:
    call = session()
    first, again = RecordingRoom(tmp_path), RecordingRoom(tmp_path, "flac")
    asyncio.run(record(first, call, [bytes(4)]))
    there = record_beside(Path(call.recording)).read_bytes()
    asyncio.run(record(again, call, [bytes(4)]))
    first.close()
    again.close()
    assert Path(call.recording).name.endswith("-2.flac")
    assert [file.read_bytes() == there for file in sorted(tmp_path.glob("*.json"))].count(True) == 1


@pytest.mark.parametrize("call_id", ["../../etc/passwd", "a/b\\c\0d", "", "x" * 500, "ünïcode"])
def test_a_call_id_from_outside_cannot_choose_the_path(tmp_path: Path, call_id: str) -> None:
    call, room = session(call_id), RecordingRoom(tmp_path)
    asyncio.run(record(room, call, [bytes(4)]))
    room.close()
    assert Path(call.recording).parent == tmp_path
    assert len(Path(call.recording).name) < 128


def test_two_calls_of_one_name_get_two_files(tmp_path: Path) -> None:
    first, second, room = session(), session(), RecordingRoom(tmp_path)
    asyncio.run(record(room, first, [bytes(4)]))
    asyncio.run(record(room, second, [bytes(8)]))
    room.close()
    assert first.recording != second.recording
    assert Path(first.recording).stat().st_size + 4 == Path(second.recording).stat().st_size


def test_two_calls_of_one_name_at_the_same_time_get_two_files(tmp_path: Path) -> None:
    async def both() -> None:
        sinks = [(room.sink(), call) for call in calls]
        for sink, call in sinks:
            sink.open(call)
        for sink, _ in sinks:
            sink.write(bytes(4))
            await sink.close()

    calls, room = [session(), session()], RecordingRoom(tmp_path)
    asyncio.run(both())
    room.close()
    assert len({call.recording for call in calls}) == len(list(tmp_path.glob("*.wav"))) == 2
    assert len(list(tmp_path.glob("*.json"))) == 2


def test_a_disk_that_falls_behind_ends_the_recording_and_not_the_process(tmp_path: Path) -> None:
    async def overwhelm(sink: FileSink, thread: ThreadPoolExecutor) -> None:
        disk_works = threading.Event()
        thread.submit(disk_works.wait)
        sink.open(session())
        for _ in range(6):
            sink.write(bytes(1024 * 1024))
        disk_works.set()
        await sink.close()

    with ThreadPoolExecutor(1) as thread, pytest.raises(OSError, match="too slow"):
        asyncio.run(overwhelm(FileSink(tmp_path, thread), thread))


def test_a_disk_that_fails_is_told_when_the_recording_is_closed(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    room = RecordingRoom(blocked / "rec")
    with pytest.raises(OSError, match="Not a directory"):
        asyncio.run(record(room, session(), [bytes(4)]))
    room.close()
