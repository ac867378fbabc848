"""The opset and metadata of an ONNX file, without loading its weights."""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import BytesIO
from typing import Any, BinaryIO


def read_header(stream: BinaryIO) -> tuple[int, dict[str, str]]:
    """Return the ai.onnx opset and the metadata of an ONNX file without reading its weights.

    Source: onnx.proto, ModelProto: opset_import = 8 (domain = 1, version = 2),
    metadata_props = 14 (key = 1, value = 2).

    Raises:
        ValueError: if the bytes are not a protobuf message.
    """
    opset = 0
    metadata: dict[str, str] = {}
    for field, value in _proto_fields(stream, {8, 14}):
        if field == 8:
            entry = dict(_proto_fields(BytesIO(value), {1, 2}))
            if not entry.get(1):
                opset = int(entry.get(2, 0))
        elif field == 14:
            entry = dict(_proto_fields(BytesIO(value), {1, 2}))
            metadata[bytes(entry.get(1, b"")).decode()] = bytes(entry.get(2, b"")).decode()
    return opset, metadata


def _proto_fields(stream: BinaryIO, wanted: set[int]) -> Iterator[tuple[int, Any]]:
    """Yield (field number, int or bytes) of one protobuf message's wanted fields."""
    while (key := _proto_varint(stream)) is not None:
        field, wire = key >> 3, key & 7
        if wire == 0:
            value: Any = _proto_varint(stream)
        elif wire == 2:
            length = _proto_varint(stream) or 0
            value = stream.read(length) if field in wanted else stream.seek(length, os.SEEK_CUR)
        elif wire in (1, 5):
            value = stream.read(8 if wire == 1 else 4)
        else:
            raise ValueError(f"not a protobuf message (wire type {wire})")
        if field in wanted:
            yield field, value


def _proto_varint(stream: BinaryIO) -> int | None:
    """Return the next base-128 number, or None at the end."""
    value = 0
    for shift in range(0, 70, 7):
        byte = stream.read(1)
        if not byte:
            return None
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise ValueError("not a protobuf message (number too long)")
