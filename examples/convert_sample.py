"""A voice model's audio onto a phone line and back: 24 kHz PCM16 to 8 kHz mu-law to 24 kHz PCM16.

    python examples/convert_sample.py [OUT.wav]

OUT.wav is what the line left of ``sample.wav``: listen to both.
"""

import sys
import wave
from pathlib import Path

from trunkline.audio import AudioStreamConverter, MuLawStreamDecoder, validate_pcm_format

SAMPLE = Path(__file__).with_name("sample.wav")
CHUNK_BYTES = 9600  # 200 ms, the way models speak
FRAME_BYTES = 160  # 20 ms, the way phones do


def main(out: Path) -> None:
    with wave.open(str(SAMPLE)) as file:
        speech = file.readframes(file.getnframes())
    chunks = [speech[at : at + CHUNK_BYTES] for at in range(0, len(speech), CHUNK_BYTES)]
    print("a chunk:", *validate_pcm_format(chunks[0], 24000, 1, 16))

    to_phone = AudioStreamConverter(input_rate=24000, output_rate=8000, encoding="mulaw")
    line = b"".join(to_phone.convert_chunk(chunk) for chunk in chunks)
    print(
        f"to the phone: {len(speech)} bytes in {len(chunks)} chunks became {len(line)}, {to_phone.delay_ms:.1f} ms late"
    )

    from_phone = MuLawStreamDecoder(input_rate=8000, output_rate=24000)
    frames = (line[at : at + FRAME_BYTES] for at in range(0, len(line), FRAME_BYTES))
    heard = b"".join(from_phone.convert_stream(frames))
    print(f"and back: {len(heard)} bytes, the last {len(heard) - len(speech)} of them the filter's tail")

    with wave.open(str(out), "wb") as file:
        file.setparams((1, 2, 24000, 0, "NONE", ""))
        file.writeframes(heard)
    print("written:", out)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "over-the-phone.wav"))
