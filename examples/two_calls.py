"""Two calls at once: a converter each. One for both would mix their sound where the chunks meet.

python examples/two_calls.py
"""

import numpy as np

from trunkline.audio import AudioStreamConverter

RATE = 24000
CHUNK = RATE // 50


def tone(hz: float) -> list[bytes]:
    """One second in chunks of 20 ms."""
    samples = 12000 * np.sin(2 * np.pi * hz * np.arange(RATE) / RATE)
    return [samples[at : at + CHUNK].astype("<i2").tobytes() for at in range(0, RATE, CHUNK)]


def alone(chunks: list[bytes]) -> bytes:
    """What a call sounds like when it is the only one."""
    converter = AudioStreamConverter()
    return b"".join(map(converter.convert_chunk, chunks))


def main() -> None:
    ann, bob = tone(440), tone(1000)

    for_ann, for_bob = AudioStreamConverter(), AudioStreamConverter(encoding="mulaw")
    heard = [(for_ann.convert_chunk(a), for_bob.convert_chunk(b)) for a, b in zip(ann, bob, strict=True)]
    ann_heard, bob_heard = (b"".join(side) for side in zip(*heard, strict=True))
    print("a converter each: Ann hears her call alone:", ann_heard == alone(ann))
    print("a converter each: Bob hears his call alone:", bob_heard == alone(bob))

    shared = AudioStreamConverter()
    heard = [(shared.convert_chunk(a), shared.convert_chunk(b)) for a, b in zip(ann, bob, strict=True)]
    print("one for both:     Ann hears her call alone:", b"".join(a for a, _ in heard) == alone(ann))


if __name__ == "__main__":
    main()
