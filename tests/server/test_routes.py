from typing import Any

import pytest
from house import FakeDoor

from trunkline.server.routes import Route, Routes
from trunkline.wire.base import WireSpec

ACME = Route(WireSpec(name="acme", title="Acme", media_path="/media/acme"), FakeDoor())
OPEN = Route(WireSpec(name="open", title="Open", media_path="/ws/voice/{call_id}"), FakeDoor())
DOTTED = Route(WireSpec(name="dotted", title="Dotted", media_path="/v1.0/call"), FakeDoor())


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/media/acme", ACME),
        ("/media/acme/", ACME),
        ("/media/acme/more", None),
        ("/media/acm", None),
        ("/media/ACME", None),
        ("/ws/voice/call-1", OPEN),
        ("/ws/voice/call%2F1", OPEN),
        ("/ws/voice/", None),
        ("/ws/voice/a/b", None),
        ("/v1.0/call", DOTTED),
        ("/v1x0/call", None),
        ("", None),
        ("http://evil.example.net/media/acme", None),
    ],
)
def test_a_path_belongs_to_the_platform_whose_pattern_it_fits(path: str, route: Any) -> None:
    assert Routes([ACME, OPEN, DOTTED]).find(path) is route
