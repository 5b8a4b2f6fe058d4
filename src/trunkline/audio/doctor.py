"""What is wrong with a recording, told from its samples alone, each finding with its evidence and its likely cause.

It is made for speech of some seconds; of less than one it can say little. A finding is rare in good speech: every
test that a recording is put to was set so that clean recordings, wide-band and through a telephone line, pass it.
"""

from collections.abc import Callable
from typing import Final

from trunkline.audio.faults import aliasing, clicks, clipping, drift, echo, holes, law, quiet, repeats
from trunkline.audio.faults.base import Finding, Take
from trunkline.audio.filters import ANY_RATE
from trunkline.errors import AudioError

__all__ = ["Finding", "Take", "examine"]

Find = Callable[[Take], list[Finding]]

_MEANING: Final[tuple[Find, ...]] = (law.find,)
_COARSE: Final[tuple[Find, ...]] = (quiet.find, clipping.find, holes.find, repeats.find)
# Sound cut off leaves edges and overtones of its own, and sound that is too quiet has the steps of its encoding: what
# is told by those can be told only where none of the above is found.
_FINE: Final[tuple[Find, ...]] = (clicks.find, aliasing.find)
_BETWEEN: Final[tuple[Find, ...]] = (echo.find, drift.find)


def examine(take: Take) -> list[Finding]:
    """Everything that is found wrong with it, in the order of how much it spoils.

    Bytes that were misread are told alone, and clicks and aliasing only where nothing is clipped, missing or too quiet:
    mend what is found and look again. Raises ``AudioError`` for a recording without samples or of an impossible rate.
    """
    lowest, highest = ANY_RATE
    if not lowest <= take.rate <= highest:
        raise AudioError(f"a rate of {take.rate} Hz is not supported: use one from {lowest} to {highest}")
    if not take.channels or not len(take.channels[0]):
        raise AudioError("there is no audio in it: a recording has at least one sample")
    if misread := _all(_MEANING, take):
        return misread
    return (_all(_COARSE, take) or _all(_FINE, take)) + _all(_BETWEEN, take)


def _all(finds: tuple[Find, ...], take: Take) -> list[Finding]:
    return [finding for find in finds for finding in find(take)]
