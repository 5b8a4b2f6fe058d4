"""The model file of the Silero voice activity detector: finding it, and fetching it with the user's own pip.

The file comes inside the ``silero-vad`` wheel. That package is never imported (it wants torch at import); installed
with ``--no-deps`` it is a folder that holds the file, and where it isn't installed its wheel is downloaded and the one
file taken out.
"""

import subprocess
import sys
import tempfile
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from trunkline import logs
from trunkline.errors import ConfigError

# The first is the same network without branches: it loads seven times faster and runs a sixth faster.
SILERO_FILES: Final = ("silero_vad_op18_ifless.onnx", "silero_vad.onnx")

DEFAULT_CACHE: Final = Path("~/.cache/trunkline/models")
"""Where fetched models are kept unless the configuration names another folder."""

_WHEEL: Final = "silero-vad"

_log = logs.get(__name__)


@runtime_checkable
class ModelProvider(Protocol):
    """A ``PROVIDER`` whose model is a download."""

    def fetch(self, models: Path | None, model: str, language: str) -> Path:
        """Where the model is in the folder of models; downloads it unless it is there already, and shows how far that
        is. Blocks. Raises ``ConfigError``."""
        ...


def find_silero(cache: Path | None = None) -> Path | None:
    """The model file: in the installed wheel, else in ``cache``; None where there is none."""
    folders = [cache or DEFAULT_CACHE]
    spec = find_spec("silero_vad")  # finds the folder; runs nothing of it
    if spec is not None and spec.submodule_search_locations:
        folders = [Path(place) / "data" for place in spec.submodule_search_locations] + folders
    for folder in folders:
        for name in SILERO_FILES:
            file = folder.expanduser() / name
            if file.is_file():
                return file
    return None


def vad_at_hand(models: str) -> str:
    """The best voice detector there is: Silero, or WebRTC's where ``models`` and the wheel hold no model file."""
    if find_silero(Path(models) if models else None):
        return "silero"
    _log.warning("no Silero model: voice activity is WebRTC's, which is easily fooled", fetch="trunkline models")
    return "webrtc"


def fetch_silero(cache: Path | None = None) -> Path:
    """Downloads the wheel with pip, keeps the model file in ``cache``, and returns where it is.

    Blocks for as long as the download takes. Raises ``ConfigError`` when pip fails or the wheel holds no known file.
    """
    folder = (cache or DEFAULT_CACHE).expanduser()
    with tempfile.TemporaryDirectory() as scratch:
        pip = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-deps", "--dest", scratch]
        done = subprocess.run([*pip, _WHEEL], capture_output=True, text=True, check=False)  # noqa: S603 - no user input
        if done.returncode != 0:
            why = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
            raise ConfigError(f"pip could not download {_WHEEL}: {why[0]}")
        for wheel in Path(scratch).glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                held = set(archive.namelist())
                for name in SILERO_FILES:
                    if (member := f"silero_vad/data/{name}") in held:
                        return _keep(archive.read(member), folder / name)
    raise ConfigError(f"the {_WHEEL} wheel holds none of {', '.join(SILERO_FILES)}")


def _keep(data: bytes, file: Path) -> Path:
    """Writes beside and renames, so that a half-written model is never found."""
    file.parent.mkdir(parents=True, exist_ok=True)
    half = file.with_suffix(".part")
    half.write_bytes(data)
    return half.replace(file)
