"""Reading an application: the Python file that says who answers."""

import runpy
import sys
import traceback
from pathlib import Path

from trunkline.agent import Agent, Served, noting
from trunkline.errors import ConfigError, TrunklineError


def read(file: Path) -> Served:
    """Run ``file`` and return what it serves, or the one ``Agent`` it makes. Raises ``ConfigError``.

    A call of ``serve`` in it starts nothing: the command line does, with its own options on top.
    """
    if not file.is_file():
        raise ConfigError(f"there is no file {file}")
    sys.path.insert(0, str(file.parent.resolve()))  # as if it had been run: it may import its neighbours
    with noting() as noted:
        try:
            names = runpy.run_path(str(file), run_name="__main__")
        except TrunklineError:
            raise
        except Exception as error:
            raise ConfigError(f"{file} can't be run:\n{_traceback(error, file)}") from None
    if len(noted) == 1:
        return noted[0]
    if noted:
        raise ConfigError(f"{file} calls serve more than once")
    agents = {id(value): value for value in names.values() if isinstance(value, Agent)}
    if len(agents) != 1:
        raise ConfigError(f"{file} should make one Agent or call serve, and makes {len(agents) or 'none'}")
    return Served(agents.popitem()[1], {})


def _traceback(error: Exception, file: Path) -> str:
    """Python's own, from where ``file`` begins: how we got there is nothing to whoever wrote it."""
    at = error.__traceback__
    while at is not None and at.tb_frame.f_code.co_filename != str(file):
        at = at.tb_next
    return "".join(traceback.format_exception(type(error), error, at)).rstrip()
