"""Moonshine's models: finding one, fetching one, loading one. All of it blocks; the package is imported only here.

A fetched model lies in the folder of models, under ``moonshine``, and beside it a note that names its language
and architecture, so that what is there can be known without the package and without a network.
"""

import threading
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from trunkline import logs
from trunkline.ai.models import DEFAULT_CACHE
from trunkline.errors import ConfigError

if TYPE_CHECKING:
    from moonshine_voice import Transcriber

INSTALL: Final = "pip install 'trunkline[local]'"

PREFERRED: Final = "small-streaming"
"""The architecture that is taken for a language that has it, if none is named: the largest is twice its size, and one
thread hears all calls."""

_OPTIONS: Final = {
    # The cascade knows already that somebody speaks. Asked again, the library takes short words for noise.
    "vad_threshold": "0",
    "return_audio_data": "false",
}

_MORE_TOKENS: Final = {"max_tokens_per_second": "13"}
_NOT_LATIN: Final = frozenset({"ar", "ja", "ko", "uk", "zh"})
"""Their words are made of more tokens than the library believes anybody can say, unless told (its page on models)."""

_TRIAL_S: Final = 0.5

_log = logs.get(__name__)


class SpeechModel(msgspec.Struct, frozen=True):
    """A model on disk. ``archs``: what it may be, likeliest first."""

    path: Path
    archs: tuple[str, ...]
    language: str


class _Note(msgspec.Struct):
    """Beside a fetched model: where it is, from there, and what it is."""

    path: str
    arch: str


def installed() -> bool:
    """Whether the package is there. Imports nothing of it."""
    return find_spec("moonshine_voice") is not None


def place(models: Path | None) -> Path:
    """Where fetched models are."""
    return (models or DEFAULT_CACHE).expanduser() / "moonshine"


def at(path: Path, arch: str, language: str) -> SpeechModel:
    """The model somebody says is in ``path``; its architecture too, or its files tell. Raises ``ConfigError``."""
    path = path.expanduser()
    if not (path / "tokenizer.bin").is_file():
        raise ConfigError("MOONSHINE_MODEL_PATH leads to no Moonshine model: there is no tokenizer.bin")
    if arch:
        return SpeechModel(path, (arch,), language)
    if (path / "streaming_config.json").is_file():
        return SpeechModel(path, (PREFERRED,), language)  # its size is in that file
    archs = ("base", "tiny") if "base" in path.name else ("tiny", "base")
    return SpeechModel(path, archs, language)


def find(models: Path | None, language: str, arch: str) -> SpeechModel | None:
    """A fetched model of this language; of this architecture, if one is named."""
    for note in sorted(place(models).glob(f"{language}.{arch or '*'}.json")):
        try:
            found = msgspec.json.decode(note.read_bytes(), type=_Note)
        except (msgspec.DecodeError, UnicodeDecodeError, OSError):
            continue
        path = note.parent / found.path
        if (path / "tokenizer.bin").is_file():
            return SpeechModel(path, (found.arch,), language)
    return None


def fetch(
    models: Path | None, language: str, arch: str, progress: Callable[[float], None], stop: threading.Event
) -> SpeechModel:
    """Downloads the model, as the package does it. ``progress`` is told the share that is done; ``stop`` ends it.

    Raises ``ConfigError``."""
    _need_package()
    from moonshine_voice import MoonshineError
    from moonshine_voice.download import download_model_from_info

    def tell(share: float, _file: str) -> None:
        if stop.is_set():
            raise InterruptedError
        progress(share)

    wanted = _catalogued(language, arch)
    if language != "en":
        _log.warning("Moonshine's models of other languages than English are not for commercial use", language=language)
    folder = place(models)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path, found = download_model_from_info(wanted, cache_root=folder, on_progress=tell)
    except (OSError, ValueError, MoonshineError) as error:  # errors of requests are of the first kind
        raise ConfigError(
            f"the Moonshine model can't be fetched ({type(error).__name__}): run 'trunkline models moonshine' where "
            "there is a network, or set MOONSHINE_MODEL_PATH to a folder that holds one"
        ) from None
    name = found.name.lower().replace("_", "-")
    model = Path(path).resolve().relative_to(folder.resolve())
    (folder / f"{language}.{name}.json").write_bytes(msgspec.json.encode(_Note(str(model), name)))
    return SpeechModel(folder / model, (name,), language)


def load(model: SpeechModel) -> tuple["Transcriber", bool]:
    """Opens a model and tries it: seconds, for a large one. Gives it and whether it streams. Raises ``ConfigError``."""
    _need_package()
    from moonshine_voice import MoonshineError, Transcriber, string_to_model_arch

    options = _OPTIONS | (_MORE_TOKENS if model.language in _NOT_LATIN else {})
    for name in model.archs:
        try:
            transcriber = Transcriber(model.path, string_to_model_arch(name), options=options)
        except (MoonshineError, ValueError):
            continue
        try:
            # A model of another architecture loads, and fails at its first words. So does a broken one.
            transcriber.transcribe_without_streaming([0.0] * int(16_000 * _TRIAL_S), 16_000)
        except MoonshineError:
            transcriber.close()
            continue
        return transcriber, name.endswith("-streaming")
    raise ConfigError(
        f"Moonshine can't load its model as {' or '.join(model.archs)}: set MOONSHINE_ARCH, or fetch it anew"
    )


def _catalogued(language: str, arch: str) -> dict[str, Any]:
    """The package's entry of the model to fetch. Raises ``ConfigError``."""
    from moonshine_voice import string_to_model_arch, supported_languages
    from moonshine_voice.download import find_model_info

    if language not in supported_languages():
        raise ConfigError(f"Moonshine has no model for the language {language!r}")
    try:
        found: dict[str, Any] = find_model_info(language, string_to_model_arch(arch or PREFERRED))
    except ValueError:
        if arch:
            raise ConfigError(f"Moonshine has no model {arch!r} for the language {language!r}") from None
        found = find_model_info(language)
    return found


def _need_package() -> None:
    if not installed():
        raise ConfigError(
            f"Moonshine needs its package and a model: {INSTALL}, then 'trunkline models moonshine' fetches the model"
        )
