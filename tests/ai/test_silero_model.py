"""Finding and fetching the Silero model, with a wheel made here and the real pip, off line."""

import sys
import zipfile
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from trunkline.ai import models
from trunkline.ai.models import SILERO_FILES, fetch_silero, find_silero, vad_at_hand
from trunkline.errors import ConfigError

BEST, PLAIN = SILERO_FILES


@pytest.fixture
def not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "find_spec", lambda name: None)


def installed_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = ModuleSpec("silero_vad", None, is_package=True)
    assert spec.submodule_search_locations is not None
    spec.submodule_search_locations.append(str(folder))
    monkeypatch.setattr(models, "find_spec", lambda name: spec)


def put(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"model")
    return folder


def test_the_faster_file_of_the_wheel_is_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed_in(tmp_path, monkeypatch)
    data = put(tmp_path / "data", PLAIN)
    assert find_silero(tmp_path / "none") == data / PLAIN
    put(data, BEST)
    assert find_silero(tmp_path / "none") == data / BEST


def test_without_the_file_in_the_wheel_the_cache_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed_in(tmp_path / "wheel", monkeypatch)
    assert find_silero(put(tmp_path / "cache", PLAIN)) == tmp_path / "cache" / PLAIN


@pytest.mark.usefixtures("not_installed")
def test_no_model_anywhere_is_none(tmp_path: Path) -> None:
    assert find_silero(tmp_path) is None


def test_finding_imports_nothing() -> None:
    find_silero()
    assert "silero_vad" not in sys.modules


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where pip looks instead of an index."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def wheel(shelf: Path, *files: str) -> None:
    with zipfile.ZipFile(shelf / "silero_vad-9.9-py3-none-any.whl", "w") as archive:
        for file in files:
            archive.writestr(f"silero_vad/data/{file}", f"the bytes of {file}")
        archive.writestr(
            "silero_vad-9.9.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: silero-vad\nVersion: 9.9\nRequires-Dist: torch\n",
        )
        archive.writestr(
            "silero_vad-9.9.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("silero_vad-9.9.dist-info/RECORD", "")


@pytest.mark.usefixtures("not_installed")
def test_the_model_is_fetched_alone_and_found_afterwards(tmp_path: Path, shelf: Path) -> None:
    wheel(shelf, PLAIN, BEST)
    cache = tmp_path / "cache"
    file = fetch_silero(cache)
    assert file == cache / BEST == find_silero(cache)
    assert file.read_text() == f"the bytes of {BEST}"
    assert list(cache.iterdir()) == [file]


def test_a_wheel_without_the_model_is_an_error_that_names_it(tmp_path: Path, shelf: Path) -> None:
    wheel(shelf, "other.onnx")
    with pytest.raises(ConfigError, match=f"holds none of {BEST}"):
        fetch_silero(tmp_path / "cache")


def test_pips_own_reason_is_told(tmp_path: Path, shelf: Path) -> None:
    with pytest.raises(ConfigError, match=r"pip could not download silero-vad: .*No matching distribution"):
        fetch_silero(tmp_path / "cache")


@pytest.mark.usefixtures("not_installed")
def test_without_the_model_webrtc_stands_in_and_the_log_says_so(tmp_path: Path) -> None:
    with capture_logs() as lines:
        assert vad_at_hand(str(tmp_path)) == "webrtc"
        assert vad_at_hand(str(put(tmp_path / "cache", PLAIN))) == "silero"
    assert [line["fetch"] for line in lines] == ["trunkline models"]
