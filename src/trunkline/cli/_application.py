"""Reading an application: the Python file that says who answers."""

import runpy
import sys
from pathlib import Path

from trunkline.agent import Agent, Served, noting
from trunkline.errors import ConfigError


def read(file: Path) -> Served:
    """Run ``file`` and return what it serves, or the one ``Agent`` it makes. Raises ``ConfigError``.

    A call of ``serve`` in it starts nothing: the command line does, with its own options on top.
    """
    if not file.is_file():
        raise ConfigError(f"there is no file {file}")
    sys.path.insert(0, str(file.parent.resolve()))  # as if it had been run: it may import its neighbours
    with noting() as noted:
        names = runpy.run_path(str(file), run_name="__main__")
    if len(noted) == 1:
        return noted[0]
    if noted:
        raise ConfigError(f"{file} calls serve more than once")
    agents = {id(value): value for value in names.values() if isinstance(value, Agent)}
    if len(agents) != 1:
        raise ConfigError(f"{file} should make one Agent or call serve, and makes {len(agents) or 'none'}")
    return Served(agents.popitem()[1], {})
