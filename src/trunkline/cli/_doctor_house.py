"""``trunkline doctor`` without a recording: what this installation lacks, and what does the same offline."""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
from rich.markup import escape
from rich.table import Table

from trunkline import registry
from trunkline.ai.base import ProviderSpec
from trunkline.ai.guide import known
from trunkline.ai.keys import KeyAnswer, KeyedProvider, ask
from trunkline.ai.models import find_silero
from trunkline.ai.providers import espeak
from trunkline.config import Config
from trunkline.wire.base import Platform

_STYLE: Final = {"ok": "green", "missing": "yellow", "bad": "red"}


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at. ``state``: ok, missing (nothing works that needs it), bad (set, but of no use)."""

    what: str
    state: str
    note: str = ""  # what is missing, where to get it, what does the same without


def look(config: Config) -> list[Finding]:
    """Everything that can be looked at; keys that are set are tried at their vendors."""
    return [*_programs(config), *_platforms(config), *asyncio.run(_providers(config))]


def provider(config: Config, name: str) -> Finding:
    """One provider of AI. Raises ``ConfigError`` if its settings can't be read."""
    return asyncio.run(_provider(registry.load("ai.providers", name), config))


def table(findings: list[Finding]) -> Table:
    """For a person."""
    shown = Table(box=None, pad_edge=False, show_header=False)
    for title in ("", "", ""):
        shown.add_column(title, overflow="fold")
    for one in findings:
        style = _STYLE[one.state]
        shown.add_row(escape(one.what), f"[{style}]{one.state}[/]", escape(one.note))
    return shown


def _programs(config: Config) -> Iterator[Finding]:
    silero = find_silero(config.models_dir)
    yield Finding("Silero model", "ok" if silero else "missing", "" if silero else "run 'trunkline models'")
    found = shutil.which(espeak.PROGRAM)
    yield Finding("espeak-ng", "ok" if found else "missing", "" if found else f"run '{espeak.INSTALL}'")


def _platforms(config: Config) -> Iterator[Finding]:
    if not config.public_url:
        yield Finding("public address", "missing", "TRUNKLINE_PUBLIC_URL: without it only this machine can call")
    for name in registry.names("wire"):
        platform: Platform = registry.load("wire", name)
        spec = platform.spec
        setting = f"{name}_{spec.secret}".upper()
        is_set = bool(getattr(config.platform(spec), spec.secret))
        yield Finding(
            f"platform {name}",
            "ok" if is_set else "missing",
            "" if is_set else f"{setting} is not set: its calls are refused ('trunkline doctor --platform {name}')",
        )


async def _providers(config: Config) -> list[Finding]:
    providers = [registry.load("ai.providers", name) for name in registry.names("ai.providers")]
    needy = [one for one in providers if known(one).spec.key]
    return list(await asyncio.gather(*(_provider(one, config) for one in needy)))


async def _provider(one: Any, config: Config) -> Finding:
    spec = known(one).spec
    title, offline = f"provider {spec.name}", _offline(spec)
    own = config.provider(spec)
    if not spec.key:
        return Finding(title, "ok", "needs no key")
    if not getattr(own, spec.key):
        return Finding(title, "missing", f"{spec.key_setting} is not set: get one at {spec.key_from}{offline}")
    if not isinstance(one, KeyedProvider):
        return Finding(title, "ok", f"{spec.key_setting} is set; it can't be tried out from here")
    told: dict[KeyAnswer, Callable[[], Finding]] = {
        KeyAnswer.ACCEPTED: lambda: Finding(title, "ok", f"{spec.key_setting} is accepted"),
        KeyAnswer.REFUSED: lambda: Finding(
            title, "bad", f"{spec.key_setting} is refused: get another one at {spec.key_from}{offline}"
        ),
        KeyAnswer.UNREACHABLE: lambda: Finding(title, "bad", f"not reachable from here{offline}"),
    }
    return told[await ask(one.key_question(own))]()


def _offline(spec: ProviderSpec) -> str:
    return f"; offline instead: {spec.offline}" if spec.offline else ""
