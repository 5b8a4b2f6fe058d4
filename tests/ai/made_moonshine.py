"""Models of Moonshine's architectures, made here: the real library loads and runs them. They have learnt nothing.

They are tables. To ``tiny``, whatever is loud enough is "when are you open", as many words of it as there was time for
(the library allows six and a half a second); what is softer has no words. To ``tiny_streaming``, so many loud frames
are so many words. Written as ONNX by hand (onnx.proto, IR version 8, opset 18), which onnxruntime reads and turns into
the format the library wants.
"""

import json
import shutil
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime

WORDS: Final = ("when", "are", "you", "open")
LOUD: Final = 0.02
"""Mean of the samples' magnitude from which there are words."""

BEGIN, END = 1, 2  # tokens of every Moonshine model
VOCABULARY: Final = 32768
LAYERS, HEADS, WIDTH = 6, 8, 36  # of the tiny architecture

FLOAT, INT64, BOOL = 1, 7, 9
_DTYPES: Final = {FLOAT: "<f4", INT64: "<i8", BOOL: "?"}


# --- protocol buffers, as much as is needed ---


def varint(n: int) -> bytes:
    out = bytearray()
    while True:
        n, low = n >> 7, n & 0x7F
        out.append(low | (0x80 if n else 0))
        if not n:
            return bytes(out)


def field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


# --- ONNX ---


def tensor(name: str, values: Any, kind: int) -> bytes:
    array = np.asarray(values, _DTYPES[kind])
    dims = b"".join(field(1, size) for size in array.shape)
    return dims + field(2, kind) + field(8, name) + field(9, array.tobytes())


def value(name: str, kind: int, *shape: int | str) -> bytes:
    dims = b"".join(field(1, field(1, size) if isinstance(size, int) else field(2, size)) for size in shape)
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, dims)))


def node(kind: str, inputs: list[str], output: str, **attributes: int) -> bytes:
    given = b"".join(field(5, field(1, name) + field(3, n) + field(20, 2)) for name, n in attributes.items())
    return b"".join(field(1, name) for name in inputs) + field(2, output) + field(4, kind) + given


def model(nodes: list[bytes], constants: list[bytes], inputs: list[bytes], outputs: list[bytes]) -> bytes:
    graph = b"".join(field(1, one) for one in nodes) + field(2, "made")
    graph += b"".join(field(5, one) for one in constants)
    graph += b"".join(field(11, one) for one in inputs) + b"".join(field(12, one) for one in outputs)
    return field(1, 8) + field(7, graph) + field(8, field(2, 18))


def encoder() -> bytes:
    """Samples to one number: how loud they are."""
    nodes = [
        node("Abs", ["input_values"], "magnitude"),
        node("ReduceMean", ["magnitude"], "mean", keepdims=1),
        node("Reshape", ["mean", "shape"], "last_hidden_state"),
    ]
    inputs, outputs = [value("input_values", FLOAT, 1, "samples")], [value("last_hidden_state", FLOAT, 1, 1, 1)]
    return model(nodes, [tensor("shape", [1, 1, 1], INT64)], inputs, outputs)


def decoder(tokens: list[int]) -> bytes:
    """The next token, by the one before and by how loud it was. The caches go round untouched."""
    follows = np.full((2, VOCABULARY), END)
    for before, after in zip([BEGIN, *tokens], [*tokens, END], strict=True):
        follows[1, before] = after
    nodes = [
        node("Reshape", ["encoder_hidden_states", "one"], "level"),
        node("Greater", ["level", "loud"], "is_loud"),
        node("Cast", ["is_loud"], "row", to=INT64),
        node("Mul", ["row", "vocabulary"], "offset"),
        node("Add", ["input_ids", "offset"], "place"),
        node("Gather", ["follows", "place"], "next"),
        node("OneHot", ["next", "vocabulary", "off_and_on"], "logits"),
        node("Cast", ["use_cache_branch"], "unused", to=INT64),
    ]
    constants = [
        tensor("one", [1], INT64),
        tensor("loud", [LOUD], FLOAT),
        tensor("vocabulary", [VOCABULARY], INT64),
        tensor("follows", follows.reshape(-1), INT64),
        tensor("off_and_on", [0, 1], FLOAT),
    ]
    inputs = [
        value("input_ids", INT64, 1, "length"),
        value("encoder_hidden_states", FLOAT, 1, "frames", 1),
        value("use_cache_branch", BOOL, 1),
    ]
    outputs = [value("logits", FLOAT, 1, "length", VOCABULARY)]
    for cache in [
        f"{layer}.{a}.{b}" for layer in range(LAYERS) for a in ("decoder", "encoder") for b in ("key", "value")
    ]:
        nodes.append(node("Identity", [f"past_key_values.{cache}"], f"present.{cache}"))
        inputs.append(value(f"past_key_values.{cache}", FLOAT, 1, HEADS, f"past {cache}", WIDTH))
        outputs.append(value(f"present.{cache}", FLOAT, 1, HEADS, f"past {cache}", WIDTH))
    return model(nodes, constants, inputs, outputs)


def as_ort(onnx: bytes, file: Path) -> None:
    """In onnxruntime's own format, which Moonshine's library insists on."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.optimized_model_filepath = str(file)
    options.add_session_config_entry("session.save_model_format", "ORT")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])


def vocabulary(tokenizer: Path) -> list[bytes]:
    """The tokens of a ``tokenizer.bin``: length in one byte, or two from 128 on, then the token."""
    data, at, tokens = tokenizer.read_bytes(), 0, list[bytes]()
    while at < len(data):
        size, at = data[at], at + 1
        if size >= 128:
            size, at = size - 128 + 128 * data[at], at + 1
        tokens.append(data[at : at + size])
        at += size
    return tokens


# --- the streaming architecture: frames of 20 ms, of which the last few wait for what follows them ---

LOOKAHEAD: Final = 16
FRAMES_PER_WORD: Final = 12
"""Loud ones: a word lasts 240 ms, and the last one of a turn is lost where the end is not told."""


def frontend() -> bytes:
    """Samples to frames: how loud each is. The states go round untouched."""
    nodes = [
        node("Abs", ["audio_chunk"], "magnitude"),
        node("Reshape", ["magnitude", "frames"], "framed"),
        node("ReduceMean", ["framed", "inner"], "features", keepdims=1),
    ]
    states = {
        "sample_buffer": (79,),
        "sample_len": (),
        "conv1_buffer": (1, 4),
        "conv2_buffer": (1, 4),
        "frame_count": (),
    }
    inputs, outputs = [value("audio_chunk", FLOAT, 1, "samples")], [value("features", FLOAT, 1, "frames of it", 1)]
    for name, shape in states.items():
        kind = FLOAT if shape else INT64
        nodes.append(node("Identity", [name], f"{name}_out"))
        inputs.append(value(name, kind, 1, *shape))
        outputs.append(value(f"{name}_out", kind, 1, *shape))
    return model(nodes, [tensor("frames", [1, -1, 320], INT64), tensor("inner", [2], INT64)], inputs, outputs)


def through(name: str, output: str, *unused: bytes) -> bytes:
    """A network that changes nothing."""
    given, made = value(name, FLOAT, 1, "frames", 1), value(output, FLOAT, 1, "frames", 1)
    return model([node("Identity", [name], output)], [], [given, *unused], [made])


def cross() -> bytes:
    """The memory, as the decoder looks at it."""
    nodes = [node("Reshape", ["memory", "shape"], output) for output in ("k_cross", "v_cross")]
    outputs = [value(output, FLOAT, 1, 1, 1, "frames", 1) for output in ("k_cross", "v_cross")]
    shape = tensor("shape", [1, 1, 1, -1, 1], INT64)
    return model(nodes, [shape], [value("memory", FLOAT, 1, "frames", 1)], outputs)


def streaming_decoder(tokens: list[int]) -> bytes:
    """The next token, by the one before, if there were loud frames enough for it."""
    follows, needed = np.full(VOCABULARY, END), np.full(VOCABULARY, 1e9)
    for number, (before, after) in enumerate(zip([BEGIN, *tokens], [*tokens, END], strict=True)):
        follows[before], needed[before] = after, FRAMES_PER_WORD * (number + 1)
    nodes = [
        node("Greater", ["out_k_cross", "loud"], "is_loud"),
        node("Cast", ["is_loud"], "counted", to=FLOAT),
        node("ReduceSum", ["counted"], "frames", keepdims=0),
        node("Gather", ["needed", "token"], "least"),
        node("Less", ["frames", "least"], "too_few"),
        node("Gather", ["follows", "token"], "wanted"),
        node("Where", ["too_few", "end", "wanted"], "next"),
        node("OneHot", ["next", "vocabulary", "off_and_on"], "logits"),
        node("Cast", ["token"], "token_float", to=FLOAT),
        node("Reshape", ["token_float", "cache"], "more"),
        node("Concat", ["k_self", "more"], "out_k_self", axis=3),
        node("Concat", ["v_self", "more"], "out_v_self", axis=3),
        node("Identity", ["out_v_cross"], "unused"),
    ]
    constants = [
        tensor("loud", [LOUD], FLOAT),
        tensor("needed", needed, FLOAT),
        tensor("follows", follows, INT64),
        tensor("end", [END], INT64),
        tensor("vocabulary", [VOCABULARY], INT64),
        tensor("off_and_on", [0, 1], FLOAT),
        tensor("cache", [1, 1, 1, -1, 1], INT64),
    ]
    inputs = [value("token", INT64, 1, "length")]
    inputs += [value(name, FLOAT, 1, 1, 1, "past", 1) for name in ("k_self", "v_self")]
    inputs += [value(name, FLOAT, 1, 1, 1, "frames of it", 1) for name in ("out_k_cross", "out_v_cross")]
    outputs = [value("logits", FLOAT, 1, "length", VOCABULARY)]
    outputs += [value(name, FLOAT, 1, 1, 1, "present", 1) for name in ("out_k_self", "out_v_self")]
    return model(nodes, constants, inputs, outputs)


# --- on disk ---


def tiny(folder: Path, tokenizer: Path) -> Path:
    """Writes a model of the architecture "tiny" into ``folder``, with the tokenizer that comes with the package."""
    words = _begin(folder, tokenizer)
    as_ort(encoder(), folder / "encoder_model.ort")
    as_ort(decoder(words), folder / "decoder_model_merged.ort")
    return folder


def tiny_streaming(folder: Path, tokenizer: Path) -> Path:
    """And one that streams."""
    words = _begin(folder, tokenizer)
    sizes = {"encoder_dim": 1, "decoder_dim": 1, "depth": 1, "nheads": 1, "head_dim": 1, "vocab_size": VOCABULARY}
    sizes |= {"bos_id": BEGIN, "eos_id": END, "frame_len": 80, "total_lookahead": LOOKAHEAD}
    sizes |= {"d_model_frontend": 1, "c1": 1, "c2": 1}
    (folder / "streaming_config.json").write_text(json.dumps(sizes))
    as_ort(frontend(), folder / "frontend.ort")
    as_ort(through("features", "encoded"), folder / "encoder.ort")
    as_ort(through("encoded", "memory", value("pos_offset", INT64, 1)), folder / "adapter.ort")
    as_ort(cross(), folder / "cross_kv.ort")
    as_ort(streaming_decoder(words), folder / "decoder_kv.ort")
    return folder


def _begin(folder: Path, tokenizer: Path) -> list[int]:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(tokenizer, folder / "tokenizer.bin")
    known = vocabulary(tokenizer)
    return [known.index(f"▁{word}".encode()) for word in WORDS]
