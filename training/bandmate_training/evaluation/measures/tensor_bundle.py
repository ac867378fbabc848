"""Read tensors from a TensorFlow checkpoint (tensor bundle) without TensorFlow.

`.index` is a sorted string table as LevelDB's: blocks of key-value entries whose keys share
prefixes, an index block, a footer. A value is a `BundleEntryProto`: where in `.data-*` a
tensor lies. Source: TensorFlow, core/util/tensor_bundle and core/lib/io/table_format.txt.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

_MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")
_FOOTER = 48  # bytes: two block handles, padding, magic
_FLOAT = 1  # DT_FLOAT
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types

FloatArray = npt.NDArray[np.float32]


def read_tensors(index: bytes, data: bytes) -> dict[str, FloatArray]:
    """Return all float32 tensors of a checkpoint by name.

    Args:
        index: the content of `.index`.
        data: the content of `.data-00000-of-00001`.

    Raises:
        ValueError: if they are no uncompressed one-shard bundle, or are cut short.
    """
    if len(index) < _FOOTER or index[-8:] != _MAGIC:
        raise ValueError("the index is not that of a TensorFlow checkpoint")
    footer = index[-_FOOTER:]
    at = _skip_handle(footer, 0)
    tensors: dict[str, FloatArray] = {}
    for _, handle in _entries(index, *_handle(footer, at)):
        for key, value in _entries(index, *_handle(handle, 0)):
            if key:  # The empty key holds the bundle's header.
                _take(tensors, key.decode(), value, data)
    return tensors


def _take(tensors: dict[str, FloatArray], name: str, entry: bytes, data: bytes) -> None:
    fields = dict(_fields(entry))
    if fields.get(1) != _FLOAT:
        return
    shape = []
    for number, dimension in _fields(_bytes(fields.get(2, b""))):
        if number == 2:
            shape.append(_number(dict(_fields(_bytes(dimension))).get(1, 0)))
    start, size = _number(fields.get(4, 0)), _number(fields.get(5, 0))
    if fields.get(3, 0) != 0 or size != 4 * int(np.prod(shape)) or start + size > len(data):
        raise ValueError(f"{name}: expected {shape} float32 in the one data file, got {size} bytes")
    tensors[name] = np.frombuffer(data, "<f4", size // 4, start).reshape(shape)


def _varint(buffer: bytes, at: int) -> tuple[int, int]:
    """Return a number of 7-bit groups, lowest first, and where it ends."""
    value = shift = 0
    while True:
        if at >= len(buffer):
            raise ValueError("the checkpoint's index ends within a number")
        byte = buffer[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _handle(buffer: bytes, at: int) -> tuple[int, int]:
    """Return a block's offset and size."""
    offset, at = _varint(buffer, at)
    return offset, _varint(buffer, at)[0]


def _skip_handle(buffer: bytes, at: int) -> int:
    return _varint(buffer, _varint(buffer, at)[1])[1]


def _entries(table: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values of a block."""
    if offset + size >= len(table) or size < 4:
        raise ValueError("a block lies outside the checkpoint's index")
    if table[offset + size] != 0:
        raise ValueError("the checkpoint's index is compressed: expected a plain one")
    block = table[offset : offset + size]
    restarts = int.from_bytes(block[-4:], "little")
    at, end, key = 0, size - 4 - 4 * restarts, b""
    while at < end:
        shared, at = _varint(block, at)
        fresh, at = _varint(block, at)
        length, at = _varint(block, at)
        key = key[:shared] + block[at : at + fresh]
        yield key, block[at + fresh : at + fresh + length]
        at += fresh + length


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield numbers and values of a protocol buffer's fields."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield tag >> 3, value
            continue
        if kind == _BYTES:
            length, at = _varint(message, at)
        elif kind in (_FIXED32, _FIXED64):
            length = 4 if kind == _FIXED32 else 8
        else:
            raise ValueError(f"the checkpoint's index holds a field of unknown kind {kind}")
        yield tag >> 3, message[at : at + length]
        at += length


def _bytes(value: int | bytes) -> bytes:
    assert isinstance(value, bytes)
    return value


def _number(value: int | bytes) -> int:
    assert isinstance(value, int)
    return value
