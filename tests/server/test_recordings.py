import asyncio
import stat
import wave
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from trunkline import logs
from trunkline.call.session import CallSession
from trunkline.errors import ConfigError
from trunkline.server import recordings
from trunkline.server.recordings import Recordings

PCM = bytes(range(256)) * 40  # 2,560 stereo samples


def a_call(call_id: Any = "CA1") -> Any:
    return CallSession(call_id, "acme", "echo", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), rate=8000)


def record(folder: Path, *pieces: Any, call: Any = None) -> Any:
    """Record the pieces; returns the call's record."""
    call = call or a_call()

    async def scenario() -> None:
        sink = store.sink(logs.get("test"))
        sink.open(call)
        for piece in pieces:
            sink.write(piece)
        await sink.close()

    store = Recordings(folder)
    try:
        asyncio.run(scenario())
    finally:
        store.close()
    return call


def test_a_recording_is_a_stereo_wav_of_what_was_written(tmp_path: Path) -> None:
    call = record(tmp_path / "new", PCM, PCM[:400], b"")
    with wave.open(call.recording) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 8000)
        assert file.readframes(file.getnframes()) == PCM + PCM[:400]


def test_only_the_owner_may_read_a_recording(tmp_path: Path) -> None:
    record(tmp_path, PCM)
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("call_id", ["../../etc/passwd", "/etc/passwd", "a\x00b", "x" * 500, ""])
def test_a_call_id_from_outside_cannot_leave_the_folder(tmp_path: Path, call_id: Any) -> None:
    record(tmp_path / "in", PCM, call=a_call(call_id))
    assert [file.name for file in tmp_path.iterdir()] == ["in"]
    (file,) = (tmp_path / "in").iterdir()
    assert file.name.startswith("20260102T030405")


def test_a_recording_is_never_written_over_another(tmp_path: Path) -> None:
    record(tmp_path, PCM)
    with capture_logs() as lines:
        record(tmp_path, PCM[:400])
    (file,) = tmp_path.iterdir()
    assert file.stat().st_size == len(PCM) + 44
    assert [line["event"] for line in lines] == ["recording ended early"]


def test_a_disk_that_falls_behind_ends_the_recording_instead_of_leaving_holes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings, "MAX_WAITING_BYTES", 100)
    with capture_logs() as lines:
        record(tmp_path, PCM, PCM)
    (file,) = tmp_path.iterdir()
    assert file.stat().st_size <= 44
    assert [line["reason"] for line in lines] == ["the disk is too slow"]


def test_a_folder_that_cannot_be_made_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="folder for recordings"):
        Recordings(tmp_path / "file" / "below")
