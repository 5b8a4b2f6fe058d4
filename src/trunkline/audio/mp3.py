"""Speech as MP3, for players that know nothing else. libsndfile writes it, by way of soundfile, from version 1.1 on."""

import io

import numpy as np
import soundfile

from trunkline.errors import MissingProgram


def mp3(pcm16: bytes, rate: int) -> bytes:
    """Mono PCM16 as an MP3 file. An encoder adds up to a tenth of a second of silence around it.

    Raises ``MissingProgram`` where libsndfile was built without MP3.
    """
    if "MP3" not in soundfile.available_formats():
        raise MissingProgram("a libsndfile that writes MP3", "pip install --upgrade soundfile")
    file = io.BytesIO()
    soundfile.write(file, np.frombuffer(pcm16, "<i2"), rate, format="MP3", subtype="MPEG_LAYER_III")
    return file.getvalue()
