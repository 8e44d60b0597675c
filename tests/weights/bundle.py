"""Write valid and damaged TensorFlow checkpoints without TensorFlow, and list the variables of the releases."""

import struct
from pathlib import Path

import numpy as np

from densevision.weights.tensorflow_checkpoint import crc32c

DATA = Path(__file__).parent / "data"
NUMBERS = {"float32": 1, "int64": 9}
NORM = ("gamma", "beta", "moving_mean", "moving_variance")


def release_shapes(name):
    """Return variable -> shape of a release, as listed from the authors' code (see docs/weights.md)."""
    shapes = {"global_step": ()}
    for line in (DATA / f"{name}.txt").read_text().splitlines():
        scope, kernel, shape, rest = line.split()
        shape = tuple(map(int, shape.split("x")))
        shapes[f"{scope}/{kernel}"] = shape
        channels = shape[2] if kernel == "depthwise_weights" else shape[3]
        others = [rest] if rest == "biases" else [f"{rest}/{part}" for part in NORM]
        shapes |= {f"{scope}/{other}": (channels,) for other in others}
    return shapes


def release_variables(name, seed=0):
    """Return the variables of a release with random values in the range of trained ones."""
    rng = np.random.default_rng(seed)
    variables = {}
    for variable, shape in release_shapes(name).items():
        kind = variable.rpartition("/")[2]
        if kind == "global_step":
            variables[variable] = np.array(400_000)
            continue
        if kind in ("gamma", "moving_variance"):
            value = rng.uniform(0.5, 1, shape)
        elif kind in ("weights", "depthwise_weights"):
            fan_in = shape[0] * shape[1] * (1 if kind == "depthwise_weights" else shape[2])
            value = rng.normal(0, fan_in**-0.5, shape)
        else:
            value = rng.normal(0, 0.2, shape)
        variables[variable] = value.astype(np.float32)
    return variables


def write_checkpoint(prefix, variables, **options):
    """Write ``prefix``.index and a single data file."""
    pieces, offset, entries = [], 0, {b"": field(1, 1) + field(2, options.pop("endianness", 0))}
    for name in sorted(variables):
        value = variables[name]
        content = value.tobytes()
        shape = b"".join(field(2, field(1, size)) for size in value.shape)
        entries[name.encode()] = (
            field(1, NUMBERS[value.dtype.name])
            + field(2, shape)
            + field(4, offset)
            + field(5, len(content))
            + varint(6 << 3 | 5)
            + struct.pack("<I", masked(content))
        )
        pieces.append(content)
        offset += len(content)
    prefix.with_name(f"{prefix.name}.data-00000-of-00001").write_bytes(b"".join(pieces))
    prefix.with_name(f"{prefix.name}.index").write_bytes(table(entries, **options))
    return prefix


def table(entries, entries_a_block=100, compression=0):
    """Return a LevelDB table of sorted entries."""
    content, handles, keys = b"", {}, list(entries)
    for start in range(0, len(keys), entries_a_block):
        some = keys[start : start + entries_a_block]
        content, handles[some[-1]] = add_block(content, {key: entries[key] for key in some}, compression)
    content, meta = add_block(content, {}, 0)
    content, index = add_block(content, handles, 0)
    return content + (meta + index).ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)


def add_block(content, entries, compression):
    block, previous, restarts = b"", b"", []
    for number, (key, value) in enumerate(entries.items()):
        shared = 0
        if number % 16 == 0:
            restarts.append(len(block))
        else:
            while shared < min(len(key), len(previous)) and key[shared] == previous[shared]:
                shared += 1
        block += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        previous = key
    block += b"".join(struct.pack("<I", restart) for restart in restarts) + struct.pack("<I", len(restarts))
    handle = varint(len(content)) + varint(len(block))
    trailer = bytes([compression])
    return content + block + trailer + struct.pack("<I", masked(block + trailer)), handle


def masked(content):
    checksum = crc32c(content)
    return ((checksum >> 15 | checksum << 17 & 0xFFFFFFFF) + 0xA282EAD8) & 0xFFFFFFFF


def field(number, value):
    """Return a field of a protocol buffer, a number or bytes."""
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(value)


def varint(value):
    content = b""
    while value > 127:
        content += bytes([value & 127 | 128])
        value >>= 7
    return content + bytes([value])
