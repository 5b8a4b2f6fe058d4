"""Which platform a path belongs to."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from trunkline.wire.base import Door, WireSpec


class Route(NamedTuple):
    """A platform that is open for calls."""

    spec: WireSpec
    door: Door


class Routes:
    """Finds the platform by the path of an upgrade request.

    A ``media_path`` may hold ``{names}``: each stands for one path segment. One slash at the end is forgiven, since
    some platforms add it.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = [(_pattern(route.spec.media_path), route) for route in routes]

    def find(self, path: str) -> Route | None:
        """The platform whose media socket comes in at ``path`` (raw), if any."""
        return next((route for pattern, route in self._routes if pattern.fullmatch(path)), None)


def _pattern(media_path: str) -> re.Pattern[str]:
    literal_and_names = re.split(r"\{\w+\}", media_path)
    return re.compile("[^/]+".join(map(re.escape, literal_and_names)) + "/?")
