"""The platforms whose calls come by a media socket, and what it takes to be one of their telephones."""

import time
from typing import Any, Final

import httpx

from trunkline import registry
from trunkline.config import Config
from trunkline.wire.base import HttpReply, MediaAddress, PhoneCodec, Platform

SECRET: Final = "0123456789abcdef0123456789abcdef"
PLATFORMS: Final = [name for name in registry.names("wire") if name != "rtp"]  # whose calls come by UDP


def load(name: str) -> Platform:
    platform: Platform = registry.load("wire", name)
    return platform


def closed_door(platform: Platform, **settings: Any) -> Config:
    """The configuration of a gateway that lets in whoever knows the secret."""
    config = Config.load(port=0, **settings)
    return config.with_platform(platform.spec, **{platform.spec.secret: SECRET})


def telephone(platform: Platform, config: Config, call_id: str) -> PhoneCodec:
    settings = config.platform(platform.spec)
    return platform.phone(settings, call_id=call_id, caller="+15005550006", callee="+15005550001")


async def announce(http: httpx.AsyncClient, codec: PhoneCodec, base_url: str) -> MediaAddress:
    """The webhook, where there is one, and then where the platform opens its media socket."""
    reply = None
    if (call := codec.dial(base_url)) is not None:
        headers = call.headers_at(time.time())
        answer = await http.request(call.method, call.url, headers=headers, content=call.body, auth=call.auth)
        reply = HttpReply(answer.status_code, answer.content, answer.headers.get("content-type", ""))
    return codec.media(base_url, reply)
