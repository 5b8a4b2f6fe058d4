"""Everything an operator may set, in one frozen object: the only reader of the environment.

A setting is looked for on the command line, in the environment, in ``.env``, in ``trunkline.toml``, and has its
default otherwise. ``port`` is ``TRUNKLINE_PORT`` in the first two files and ``port = 8080`` in the last. A platform's
own settings are ``TWILIO_AUTH_TOKEN``, or ``auth_token = "…"`` in its table ``[twilio]``; a call's are
``TRUNKLINE_CALL_LEAD_MS``, or ``lead_ms = 200`` in the table ``[call]``.
"""

import os
import tomllib
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Self, TypeVar

import msgspec
from dotenv import dotenv_values
from pydantic import AliasChoices, Field, PrivateAttr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from trunkline import registry
from trunkline.ai.base import ProviderSpec
from trunkline.errors import ConfigError
from trunkline.wire.base import WireSpec

PREFIX: Final = "TRUNKLINE_"
TOML_FILE: Final = "trunkline.toml"
ENV_FILE: Final = ".env"

S = TypeVar("S", bound=msgspec.Struct)


class Config(BaseSettings):
    """What the operator decided. Make it with ``load``; pass it, or parts of it, to whoever needs to know."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=ENV_FILE, toml_file=TOML_FILE, env_ignore_empty=True, frozen=True, extra="ignore"
    )

    host: str = Field("127.0.0.1", description="Address to listen on. Anything but loopback needs public_url.")
    port: int = Field(8080, ge=0, le=65535, description="Port for HTTP and media alike; 0 takes a free one.")
    public_url: str = Field(
        "", description="The base address phone platforms know us by, https://…; signatures are checked against it."
    )
    agent: str = Field(
        "",
        description="Who answers: echo, local, or vendor/model; or several with commas between, preferred first. "
        "Overrides the application's own.",
    )
    agent_rate: int | Literal["mulaw"] = Field(
        24000, description="Hz the echo agent works at; mulaw: the phone's own format, nothing converted."
    )
    max_calls: int = Field(1000, ge=1, description="Calls at a time; the next one is refused with 503.")
    drain_seconds: float = Field(30, ge=0, description="How long running calls may go on after a stop signal.")
    record_dir: Path | None = Field(None, description="Folder for call recordings. Unset: nothing is recorded.")
    record_format: Literal["wav", "flac"] = Field("wav", description="What recordings are written as.")
    record_private: bool = Field(
        False, description="Write numbers, words and keys into the record beside each recording."
    )
    models_dir: Path | None = Field(None, description="Folder of fetched model files.")
    vad: Literal["auto", "silero", "webrtc", "energy"] = Field(
        "auto", description="What finds speech. auto: Silero if its model is here, else WebRTC."
    )
    speech_energy_threshold: float = Field(
        0.01, gt=0, lt=1, description="Energy detector: RMS from which a frame is speech, of full scale."
    )
    speech_start_threshold: int = Field(
        3,
        ge=1,
        description="Energy detector: frames of speech in a row that begin a turn.",
        validation_alias=AliasChoices(
            "speech_start_threshold", f"{PREFIX}SPEECH_START_THRESHOLD", "SPEECH_START_THRESHOLD"
        ),
    )
    speech_stop_threshold: int = Field(
        12,
        ge=1,
        description="Energy detector: silent frames in a row that end it.",
        validation_alias=AliasChoices(
            "speech_stop_threshold", f"{PREFIX}SPEECH_STOP_THRESHOLD", "SPEECH_STOP_THRESHOLD"
        ),
    )
    insecure: bool = Field(False, description="Check neither signatures nor tickets. For trying things out only.")
    api_token: str = Field(
        "", repr=False, description="Who shows it may use /api/voice/test; unset, nobody may: Authorization: Bearer …"
    )
    log_format: Literal["console", "json"] = Field("console", description="Log lines for people or for machines.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least that is logged.")

    _layers: "tuple[_Layer, ...]" = PrivateAttr(default=())

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Read every source. ``overrides`` win; those that are ``None`` were not given.

        Raises ``ConfigError`` naming the setting that can't be used and where it came from.
        """
        given = {name: value for name, value in overrides.items() if value is not None}
        if strangers := given.keys() - cls.model_fields.keys():
            raise ConfigError(f"there is no setting {min(strangers)!r}: choose one of {', '.join(cls.model_fields)}")
        layers = _layers()
        try:
            config = cls(**given)
        except ValidationError as error:
            raise ConfigError(_sentence(error, given, layers)) from None
        if config.insecure and not given.get("insecure"):
            raise ConfigError("insecure has to be typed each time (--insecure): no file or variable may set it")
        config._layers = layers
        return config

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The order of precedence."""
        return init_settings, env_settings, dotenv_settings, TomlConfigSettingsSource(settings_cls)

    @field_validator("public_url")
    @classmethod
    def _is_base(cls, url: str) -> str:
        if url and not url.startswith(("https://", "http://")):
            raise ValueError("it should begin with https://")
        if "?" in url or "#" in url:
            raise ValueError("it should be a base address, without a query")
        return url.rstrip("/")

    def base_url(self, port: int) -> str:
        """The public base address of a server that listens on ``port``. Raises ``ConfigError`` where none is known."""
        loopback = self.host in ("localhost", "::1") or self.host.startswith("127.")
        if self.public_url.startswith("http://") and not (loopback or self.insecure):
            raise ConfigError(f"{PREFIX}PUBLIC_URL should begin with https://: phone platforms call nothing else")
        if self.public_url:
            return self.public_url
        if not loopback:
            raise ConfigError(f"{PREFIX}PUBLIC_URL is not set: it is needed to listen on anything but loopback")
        return f"http://[{self.host}]:{port}" if ":" in self.host else f"http://{self.host}:{port}"

    def platform(self, spec: WireSpec) -> Any:
        """A platform's own settings: an instance of ``spec.settings``. Raises ``ConfigError``."""
        return self.section(spec.name, spec.settings, prefix=f"{spec.name.upper()}_", also=spec.also)

    def with_platform(self, spec: WireSpec, **settings: str) -> Self:
        """The same configuration, but for these settings of a platform: for a gateway that nobody else shall call."""
        return self._with(f"{spec.name.upper()}_", settings)

    def _with(self, prefix: str, settings: Mapping[str, Any]) -> Self:
        changed = self.model_copy()
        given = _Layer("the program", {f"{prefix}{name.upper()}": value for name, value in settings.items()})
        changed._layers = (given, *self._layers)
        return changed

    def provider(self, spec: ProviderSpec) -> Any:
        """A provider's own settings: an instance of ``spec.settings``. Raises ``ConfigError``."""
        return self.section(spec.name, spec.settings, prefix=f"{spec.name.upper()}_")

    def with_provider(self, name: str, **settings: Any) -> Self:
        """The same configuration, but for these settings of a provider: for one that is a stand-in."""
        return self._with(f"{name.upper()}_", settings)

    def section(
        self, table: str, kind: type[S], *, prefix: str = "", also: Mapping[str, str] | None = None, **fixed: Any
    ) -> S:
        """A struct of settings from ``<prefix><FIELD>`` or from ``[table]`` of the file. Raises ``ConfigError``.

        ``prefix`` is ``TRUNKLINE_<TABLE>_`` unless given. Fields in ``fixed`` are not looked for. ``also`` has further
        names of fields: each is looked for where the field's own name was not found.
        """
        also = also or {}
        prefix = prefix or f"{PREFIX}{table.upper()}_"
        fields = {field.name: field for field in msgspec.structs.fields(kind) if field.name not in fixed}
        _refuse_strangers(self._layers, prefix, fields, table)
        values = dict(fixed)
        for name, field in fields.items():
            names = (f"{prefix}{name.upper()}", also.get(name, ""))
            for layer, known in product(self._layers, names):
                if (raw := layer.values.get(known)) not in (None, ""):
                    values[name] = _convert(raw, field.type, known, layer.origin)
                    break
        return kind(**values)


class _Layer(NamedTuple):
    """One place settings come from, under the names they have in the environment."""

    origin: str
    values: Mapping[str, Any]


def _layers() -> tuple[_Layer, ...]:
    """The places below the command line, strongest first."""
    return (
        _Layer("the environment", dict(os.environ)),
        _Layer(ENV_FILE, _read_env()),
        _Layer(TOML_FILE, _flatten(_read_toml())),
    )


def _read_env() -> Mapping[str, Any]:
    try:
        return dotenv_values(ENV_FILE)
    except OSError as error:
        raise ConfigError(f"{ENV_FILE} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{ENV_FILE} is not UTF-8 text") from None


def _read_toml() -> dict[str, Any]:
    try:
        with Path(TOML_FILE).open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(f"{TOML_FILE} can't be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        where = str(error).rpartition("(")[2].rstrip(")") or "somewhere"
        raise ConfigError(f"{TOML_FILE} is not valid TOML ({where})") from None


def _flatten(toml: Mapping[str, Any]) -> dict[str, Any]:
    """``port`` becomes ``TRUNKLINE_PORT``, ``auth_token`` in ``[twilio]`` ``TWILIO_AUTH_TOKEN``."""
    vendors = (*registry.names("wire"), *registry.names("ai.providers"))
    tables = {name: f"{name.upper()}_" for name in vendors} | {"call": f"{PREFIX}CALL_"}
    flat: dict[str, Any] = {}
    for key, value in toml.items():
        if isinstance(value, dict):
            if key not in tables:
                raise ConfigError(f"{TOML_FILE} has a table [{key}]: choose one of {', '.join(sorted(tables))}")
            flat |= {f"{tables[key]}{name.upper()}": inner for name, inner in value.items()}
        elif key in Config.model_fields:
            flat[f"{PREFIX}{key.upper()}"] = value
        else:
            raise ConfigError(f"{TOML_FILE} sets {key!r}: choose one of {', '.join(Config.model_fields)}")
    return flat


def _refuse_strangers(layers: tuple[_Layer, ...], prefix: str, known: Mapping[str, Any], table: str) -> None:
    """A misspelt name in the file is an error; in the environment it may be somebody else's."""
    for name in layers[-1].values if layers else ():
        if name.startswith(prefix) and (field := name.removeprefix(prefix).lower()) not in known:
            raise ConfigError(f"{TOML_FILE} sets {field!r} in [{table}]: choose one of {', '.join(known)}")


def _convert(raw: Any, kind: Any, name: str, origin: str) -> Any:
    """``raw`` as a ``kind``. Text from the environment may be JSON where more than one value is wanted."""
    try:
        if isinstance(raw, str) and raw[:1] in ("[", "{"):
            raw = msgspec.json.decode(raw)
        return msgspec.convert(raw, kind, strict=False)
    except (msgspec.ValidationError, msgspec.DecodeError):
        wanted = getattr(kind, "__name__", str(kind))
        raise ConfigError(f"{name} from {origin} can't be used: it should be of the type {wanted}") from None


def _sentence(error: ValidationError, given: Mapping[str, Any], layers: tuple[_Layer, ...]) -> str:
    """What is wrong with the first setting that can't be used, without its value."""
    first = error.errors(include_url=False, include_input=False)[0]
    field = str(first["loc"][0])
    name = f"{PREFIX}{field.upper()}"
    origins = (layer.origin for layer in layers if name in layer.values)
    origin = "the command line" if field in given else next(origins, "the environment")
    wrong = first["msg"].removeprefix("Value error, ")
    return f"{name} from {origin} can't be used: {wrong[:1].lower()}{wrong[1:]}"
