"""Models as files: one of its own for the weights of a large one."""

from __future__ import annotations

import os
from pathlib import Path

import onnx
from onnx import external_data_helper

from bandmate_server.files import write_whole
from bandmate_server.model.graphs import DATA

LARGEST_WHOLE = 1 << 29  # bytes: a protobuf holds 2 GB at most, and takes its size twice to read
SMALLEST_OUTSIDE = 1 << 12  # bytes: smaller weights stay in the model


def write_graph(
    folder: Path, name: str, model: onnx.ModelProto, largest: int = LARGEST_WHOLE
) -> list[str]:
    """Write a model and return the names of its files, the model's first.

    The weights of a large one go into `<name>.data`, which ONNX Runtime maps into memory.

    Args:
        folder: that is there.
        name: of the model's file.
        model: gives its weights away.
        largest: bytes of weights that stay in the model's file.
    """
    if weight_bytes(model) <= largest:
        write_whole(folder / name, model.SerializeToString(deterministic=True), durable=True)
        return [name]
    data = name + DATA
    with (folder / data).open("wb") as file:
        for tensor in model.graph.initializer:
            if len(tensor.raw_data) >= SMALLEST_OUTSIDE:
                _move_out(tensor, data, file.tell())
                file.write(tensor.raw_data)
                file.write(bytes(-file.tell() % SMALLEST_OUTSIDE))
                tensor.ClearField("raw_data")
        file.flush()
        os.fsync(file.fileno())
    write_whole(folder / name, model.SerializeToString(deterministic=True), durable=True)
    onnx.checker.check_model(str(folder / name), full_check=True)
    return [name, data]


def weight_bytes(model: onnx.ModelProto) -> int:
    """Return the size of a model's weights."""
    return sum(len(tensor.raw_data) for tensor in model.graph.initializer)


def _move_out(tensor: onnx.TensorProto, location: str, offset: int) -> None:
    external_data_helper.set_external_data(tensor, location, offset, len(tensor.raw_data))
