"""Sound with its tops cut off: in clean speech the loudest samples are few, in clipped speech they are the most."""

from typing import Final

import numpy as np

from trunkline.audio.faults.base import Finding, Samples, Take, at_time
from trunkline.audio.level import FULL_SCALE, dbfs

_TOP: Final = 0.98  # of the largest sample: the tops …
_BELOW: Final = 0.80  # … and this to that, what leads up to them
_PILED: Final = 0.2  # tops against what leads up to them: speech has a twentieth …
_PILED_TONE: Final = 0.6  # … but a sine nearly a half
_TONE_CREST: Final = 2.5  # peak to RMS; speech has 5 or more
_FEWEST: Final = 8
_SHARE: Final = 2e-5  # of all samples
_LOUD: Final = 0.02 * FULL_SCALE  # what never gets louder isn't clipped, it has steps


def find(take: Take) -> list[Finding]:
    return [finding for where, samples in take if (finding := _clipped(where, samples, take))]


def _clipped(where: str, samples: Samples, take: Take) -> Finding | None:
    wide = samples.astype(np.int32)
    tops = np.zeros(len(wide), bool)
    ceilings = []
    for side in (wide, -wide):  # a bad bias clips one side only
        ceiling = int(side.max(initial=0))
        top = side >= _TOP * ceiling
        below = (side >= _BELOW * ceiling) & ~top
        # Tops of one sample are just peaks; a filter behind the clipping puts a ripple on what was flat.
        flat = top[2:] & (top[1:-1] | top[:-2])
        piled = _PILED if ceiling > _TONE_CREST * wide.std() else _PILED_TONE
        if ceiling >= _LOUD and flat.sum() >= max(_FEWEST, top.sum() / 3) and top.sum() > piled * below.sum():
            tops |= top
            ceilings.append(ceiling)
    if not ceilings or tops.mean() < _SHARE:
        return None
    ceiling = max(ceilings)
    full = ceiling >= 0.95 * FULL_SCALE
    return Finding(
        fault="clipping",
        where=at_time(where, take, int(tops.argmax())),
        evidence=f"{100 * tops.mean():.2f} % of the samples lie flat at {dbfs(ceiling / FULL_SCALE):.1f} dBFS"
        + ("" if len(ceilings) == 2 else ", on one side only"),
        cause="Too much gain: turn it down where the sound is made."
        if full
        else "Clipped before it was turned down: look for the gain further up the line, or for a limiter.",
    )
