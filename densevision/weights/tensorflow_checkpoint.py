"""Read a TensorFlow checkpoint without TensorFlow.

A checkpoint X is the file X.index, a sorted table of names in LevelDB's format, and the files X.data-00000-of-0000N
of plain little-endian arrays. Nothing in it is executed, and every block and array has a checksum.

Source: TensorFlow's tensor_bundle.proto; LevelDB's table_format.md.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from densevision.errors import UserError

_MAGIC = 0xDB4775248B80FB57  # the last eight bytes of a table
_FOOTER = 48
_DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8", 19: "<f2"}  # by TensorFlow's type number


class _Damaged(ValueError):
    """The bytes do not have the expected format."""


@dataclass(frozen=True)
class _Entry:
    """Type, shape and position of an array."""

    dtype: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int  # bytes
    checksum: int


def find_tensorflow_checkpoint(path: Path) -> Path | None:
    """Return the prefix X, given X, one of its files, or a folder with one checkpoint; None if there is none."""
    if path.is_dir():
        found = sorted(path.glob("*.index"))
        return found[0].with_suffix("") if len(found) == 1 else None
    prefix = path.with_name(re.sub(r"\.(index|data-\d{5}-of-\d{5})$", "", path.name))
    return prefix if _with_suffix(prefix, ".index").is_file() else None


def read_tensorflow_checkpoint(path: str | Path) -> dict[str, np.ndarray]:
    """Read all numeric variables; variables of other types (strings) are left out.

    Args:
        path: as for ``find_tensorflow_checkpoint``.
    Returns:
        Variable name -> array, in TensorFlow's axis order.
    Raises:
        UserError: files are missing, truncated, damaged, compressed or in another format.
    """
    prefix = find_tensorflow_checkpoint(Path(path))
    if prefix is None:
        missing = "it must contain one *.index" if Path(path).is_dir() else f"there is no {Path(path).name}.index"
        raise UserError(f"{path} is not a TensorFlow checkpoint: {missing}; unpack the release and give its model.ckpt")
    index = _with_suffix(prefix, ".index")
    try:
        table = dict(_read_table(index.read_bytes()))
        shards, entries = _read_entries(table)
    except _Damaged as error:
        raise UserError(f"{index} is not a readable TensorFlow index: {error}; download the checkpoint again") from None
    return {name: _read_array(prefix, shards, name, entry) for name, entry in entries.items() if entry.dtype in _DTYPES}


def _with_suffix(prefix: Path, suffix: str) -> Path:
    return prefix.with_name(prefix.name + suffix)


def _read_array(prefix: Path, shards: int, name: str, entry: _Entry) -> np.ndarray:
    path = _with_suffix(prefix, f".data-{entry.shard:05d}-of-{shards:05d}")
    if not path.is_file():
        raise UserError(f"{path} is missing; a TensorFlow checkpoint needs it next to {prefix.name}.index")
    dtype = np.dtype(_DTYPES[entry.dtype])
    if math.prod(entry.shape) * dtype.itemsize != entry.size:
        raise UserError(f"{prefix}.index: {name} of shape {entry.shape} can't have {entry.size} bytes")
    with path.open("rb") as file:
        file.seek(entry.offset)
        data = file.read(entry.size) if entry.offset + entry.size <= path.stat().st_size else b""
    if len(data) != entry.size:
        raise UserError(
            f"{path} is truncated: {name} should end at byte {entry.offset + entry.size}; download it again"
        )
    if _mask(crc32c(data)) != entry.checksum:
        raise UserError(f"{path} is damaged: the checksum of {name} is wrong; download it again")
    return np.frombuffer(data, dtype).reshape(entry.shape)


def _read_entries(table: dict[bytes, bytes]) -> tuple[int, dict[str, _Entry]]:
    """Return the number of data files, and the entry of each variable."""
    if b"" not in table:
        raise _Damaged("it has no header")
    header = _read_message(table.pop(b""))
    if header.get(2):
        raise _Damaged("its numbers are big-endian")
    return header.get(1, 0), {name.decode(errors="replace"): _read_entry(value) for name, value in table.items()}


def _read_entry(value: bytes) -> _Entry:
    fields = _read_message(value, repeated=(7,))
    if fields.get(7):
        raise _Damaged("it contains variables in slices")
    shape = _read_message(fields.get(2, b""), repeated=(2,)).get(2, [])
    sizes = tuple(_read_message(dimension).get(1, 0) for dimension in shape)
    numbers = [fields.get(number, 0) for number in (1, 3, 4, 5, 6)]
    if not all(isinstance(number, int) for number in (*numbers, *sizes)):
        raise _Damaged("an entry has fields of wrong types")
    dtype, shard, offset, size, checksum = numbers
    return _Entry(dtype, sizes, shard, offset, size, checksum)


def _read_table(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of a LevelDB table."""
    if len(data) < _FOOTER or struct.unpack("<Q", data[-8:])[0] != _MAGIC:
        raise _Damaged("it does not have the end of a table")
    footer = _Cursor(data[-_FOOTER:])
    _meta_offset, _meta_size, offset, size = [footer.varint() for _ in range(4)]
    for _, handle in _read_block(data, offset, size):
        cursor = _Cursor(handle)
        yield from _read_block(data, cursor.varint(), cursor.varint())


def _read_block(data: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    block = _Cursor(data[offset : offset + size + 5])
    content = block.take(size)
    compression, checksum = struct.unpack("<BI", block.take(5))
    if _mask(crc32c(content + bytes([compression]))) != checksum:
        raise _Damaged("a checksum is wrong")
    if compression:
        raise _Damaged("it is compressed, unlike files of TensorFlow 1.1 and later")
    restarts = struct.unpack("<I", content[-4:])[0] if size >= 4 else 0
    entries, key = _Cursor(content[: max(0, size - 4 - 4 * restarts)]), b""
    while entries:
        shared, fresh, length = entries.varint(), entries.varint(), entries.varint()
        key = key[:shared] + entries.take(fresh)
        yield key, entries.take(length)


def _read_message(data: bytes, repeated: tuple[int, ...] = ()) -> dict:
    """Decode one level of a protocol buffer: field number -> int or bytes, lists of them for ``repeated``."""
    fields: dict = {number: [] for number in repeated}
    cursor = _Cursor(data)
    while cursor:
        tag = cursor.varint()
        number, wire = tag >> 3, tag & 7
        value: int | bytes
        if wire == 0:
            value = cursor.varint()
        elif wire == 2:
            value = cursor.take(cursor.varint())
        elif wire in (1, 5):
            value = int.from_bytes(cursor.take(8 if wire == 1 else 4), "little")
        else:
            raise _Damaged(f"an entry has a field of unknown type {wire}")
        if number in repeated:
            fields[number].append(value)
        else:
            fields[number] = value
    return fields


class _Cursor:
    """A position in bytes that advances as they are read."""

    def __init__(self, data: bytes):
        if not isinstance(data, bytes):
            raise _Damaged("an entry has fields of wrong types")
        self.data, self.position = data, 0

    def __bool__(self) -> bool:
        return self.position < len(self.data)

    def take(self, count: int) -> bytes:
        taken = self.data[self.position : self.position + count]
        if len(taken) != count:
            raise _Damaged("it is truncated")
        self.position += count
        return taken

    def varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise _Damaged("a number is too long")


def _mask(checksum: int) -> int:
    """Mask a checksum as LevelDB and TensorFlow store it."""
    return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _crc_table() -> np.ndarray:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, table >> 1 ^ np.uint32(0x82F63B78), table >> 1)
    return table


_CRC_TABLE = _crc_table()


def crc32c(data: bytes) -> int:
    """Compute the CRC-32C (Castagnoli) of bytes.

    The bytes are divided into lanes of equal length, which NumPy processes in parallel: about 30 MB per second. To
    join a lane to its predecessors, their state is advanced by zero bytes of the lane's length. Checksums are linear,
    so 32 additional lanes, one per bit of the state, give that result.
    """
    lanes = max(1, math.isqrt(len(data)))
    length = len(data) // lanes
    whole = np.frombuffer(data, np.uint8, lanes * length).reshape(lanes, length)
    columns = np.zeros((length, lanes + 32), np.uint8)
    columns[:, :lanes] = whole.T
    states = np.concatenate([np.zeros(lanes, np.uint32), np.uint32(1) << np.arange(32, dtype=np.uint32)])
    for column in columns:
        states = _CRC_TABLE[(states ^ column) & 255] ^ states >> 8
    joined, advanced = 0xFFFFFFFF, states[lanes:].tolist()
    for lane in states[:lanes].tolist():
        for bit in range(32):
            lane ^= advanced[bit] * (joined >> bit & 1)
        joined = lane
    for byte in data[lanes * length :]:
        joined = int(_CRC_TABLE[(joined ^ byte) & 255]) ^ joined >> 8
    return joined ^ 0xFFFFFFFF
