"""PCM16 of any encoding, at the rate it has: for whoever measures or sends audio and does not care how it came."""

from collections.abc import Callable, Mapping
from typing import Final

from trunkline.audio import g711
from trunkline.audio.format import Encoding

LINEAR: Final[Mapping[Encoding, Callable[[bytes], bytes]]] = {
    Encoding.MULAW: g711.decode_mulaw,
    Encoding.ALAW: g711.decode_alaw,
    Encoding.PCM16: bytes,
}
"""Takes whole samples."""
