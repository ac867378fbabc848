"""Layers over (latent channel, time, band) as nodes that ONNX Runtime computes fast.

Its 2-d convolutions are faster than those in 3-d, so the latent channels (D, eight of them)
are an outer axis: values are (B, D, width, T, F).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from torch import nn

from bandmate_export.graph import Graph
from bandmate_export.layers import silu
from bandmate_server.spec import PAPER
from bandmate_training.paper.config import HEAD_WIDTH
from bandmate_training.paper.unet import CellAttention, ShiftBlock

DEPTH = PAPER.latent_channels
GROUPS = 32  # of all normalisations
NARROWEST = 4  # bands from which a convolution is transformed along the depth

# Winograd's minimal filtering F(4, 3): four outputs of a three-tap filter by six products.
# Source: Lavin and Gray 2016, "Fast algorithms for convolutional neural networks", section 4.
TILE = 4
INPUT_TRANSFORM = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ]
)
FILTER_TRANSFORM = (
    np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24
)
OUTPUT_TRANSFORM = np.array(
    [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]
)
PRODUCTS = len(INPUT_TRANSFORM)
CONSTANT = 1  # the product that every output counts once: the bias goes there

Matrix = npt.NDArray[np.float64]


def tile_inputs(depth: int) -> Matrix:
    """Return the matrix (products, tiles, depth) from a padded axis to every tile's products."""
    tiles = depth // TILE
    found = np.zeros((PRODUCTS, tiles, depth))
    for tile in range(tiles):
        for tap in range(PRODUCTS):
            place = TILE * tile + tap - 1
            if 0 <= place < depth:
                found[:, tile, place] = INPUT_TRANSFORM[:, tap]
    return found


def tile_outputs(depth: int) -> Matrix:
    """Return the matrix (depth, products, tiles) from all tiles' products to the axis."""
    tiles = depth // TILE
    found = np.zeros((depth, PRODUCTS, tiles))
    for tile in range(tiles):
        found[TILE * tile : TILE * (tile + 1), :, tile] = OUTPUT_TRANSFORM
    return found


class Volume:
    """Writes layers; `size` is the length (1,) of the batch, `DEPTH` that of the second axis."""

    def __init__(self, g: Graph, size: str) -> None:
        """Take the graph to write into."""
        self.g, self.size = g, size

    def flat(self, x: str, width: int, bands: int) -> str:
        """Join (B, D, width, T, F) to (B D, width, T, F)."""
        return self.g.reshape(self.g.op("Flatten", x, axis=2), 0, width, -1, bands)

    def deep(self, x: str, *rest: int) -> str:
        """Part the first axis (B n, ...) again, to (B, *rest)."""
        shape = self.g.op("Concat", self.size, self.g.integers(*rest), axis=0)
        return self.g.op("Reshape", x, shape)

    def conv(self, x: str, module: nn.Module, bands: int) -> str:
        """Write a convolution of three or of one cell along each axis; bands are the input's."""
        assert isinstance(module, nn.Conv3d)
        inputs, outputs, stride = module.in_channels, module.out_channels, module.stride[2]
        after = bands // stride
        if module.kernel_size[0] == 1:
            weight = self.g.reshape(self.g.parameter(module, "weight"), outputs, inputs, 1, 1)
            bias = self.g.parameter(module, "bias")
            y = self.g.op("Conv", self.flat(x, inputs, bands), weight, bias, kernel_shape=[1, 1])
            return self.deep(y, DEPTH, outputs, -1, after)
        if bands < NARROWEST:
            return self._direct(x, module)
        return self._transformed(x, module, bands, after)

    def _transformed(self, x: str, module: nn.Conv3d, bands: int, after: int) -> str:
        """Write a convolution as half as many 2-d ones, of sums and differences of depths."""
        g, inputs, outputs = self.g, module.in_channels, module.out_channels
        rows = g.reshape(x, 0, DEPTH, -1)
        taps = g.reshape(g.parameter(module, "weight"), outputs * inputs, 3, 9)
        products = []
        for index, matrix in enumerate(tile_inputs(DEPTH)):
            weight = g.op("MatMul", g.constant(FILTER_TRANSFORM[index : index + 1]), taps)
            image = g.reshape(g.op("MatMul", g.constant(matrix), rows), 0, 0, inputs, -1, bands)
            arguments = [self.flat(image, inputs, bands), g.reshape(weight, outputs, inputs, 3, 3)]
            if index == CONSTANT:
                arguments.append(g.parameter(module, "bias"))
            y = self._plane(arguments, module)
            products.append(self.deep(y, DEPTH // TILE, -1))
        total = g.op("Concat", *products, axis=1)
        matrix = tile_outputs(DEPTH).reshape(DEPTH, -1)
        return g.reshape(g.op("MatMul", g.constant(matrix), total), 0, DEPTH, outputs, -1, after)

    def _direct(self, x: str, module: nn.Conv3d) -> str:
        """Write a convolution as it is.

        For the few cells of the lowest resolution, whose many weights must not be doubled nor
        even copied: ONNX Runtime takes them from where the file lies in memory.
        """
        g, order = self.g, [0, 2, 1, 3, 4]
        weight, bias = g.parameter(module, "weight"), g.parameter(module, "bias")
        image = g.op("Transpose", x, perm=order)
        strides = list(module.stride)
        y = g.op("Conv", image, weight, bias, kernel_shape=[3] * 3, strides=strides, pads=[1] * 6)
        return g.op("Transpose", y, perm=order)

    def _plane(self, arguments: list[str], module: nn.Conv3d) -> str:
        strides = list(module.stride[1:])
        return self.g.op("Conv", *arguments, kernel_shape=[3, 3], strides=strides, pads=[1] * 4)

    def norm(self, x: str, module: nn.GroupNorm, bands: int) -> str:
        """Write a group normalisation: statistics of a group's channels at all depths."""
        g, width = self.g, module.num_channels
        rows = g.reshape(x, 0, DEPTH, GROUPS, -1)
        centred = g.op("Sub", rows, self._mean(rows))
        variance = self._mean(g.op("Mul", centred, centred))
        deviation = g.op("Sqrt", g.op("Add", variance, g.constant(module.eps)))
        weight = g.reshape(g.parameter(module, "weight"), GROUPS, width // GROUPS)
        scale = g.reshape(g.op("Div", weight, deviation), 0, 1, width, 1)
        bias = g.unsqueeze(g.parameter(module, "bias"), 1)
        cells = g.reshape(centred, 0, DEPTH, width, -1)
        y = g.op("Add", g.op("Mul", cells, scale), bias)
        return g.reshape(y, 0, DEPTH, width, -1, bands)

    def _mean(self, rows: str) -> str:
        """Write the mean (B, 1, groups, 1) over cells, then over depths."""
        g = self.g
        return g.op("ReduceMean", g.op("ReduceMean", rows, g.integers(3)), g.integers(1))

    def residual(self, x: str, embedding: str, block: nn.Module, bands: int) -> str:
        """Write a residual block whose embedding (B, width) is added in the middle."""
        assert isinstance(block, ShiftBlock)
        g = self.g
        weight, bias = (
            g.parameter(block.modulation, "weight"),
            g.parameter(block.modulation, "bias"),
        )
        shift = g.op("Gemm", embedding, weight, bias, transB=1)
        h = self.conv(silu(g, self.norm(x, block.first_norm, bands)), block.first, bands)
        h = g.op("Add", h, g.unsqueeze(shift, 1, 3, 4))
        h = self.conv(silu(g, self.norm(h, block.second_norm, bands)), block.second, bands)
        skip = x if isinstance(block.skip, nn.Identity) else self.conv(x, block.skip, bands)
        return g.op("Add", skip, h)

    def attention(self, x: str, module: nn.Module, bands: int) -> str:
        """Write self-attention of all cells; ONNX Runtime works through it block by block."""
        assert isinstance(module, CellAttention)
        g, width = self.g, module.out.in_channels
        normal = g.reshape(self.norm(x, module.norm, bands), 0, DEPTH, width, -1)
        cells = g.reshape(g.op("Transpose", normal, perm=[0, 1, 3, 2]), 0, -1, width)
        heads = width // HEAD_WIDTH
        weight = g.reshape(g.parameter(module.qkv, "weight"), heads, 3, HEAD_WIDTH, width)
        weight = g.reshape(g.op("Transpose", weight, perm=[1, 3, 0, 2]), 3, width, width)
        bias = g.reshape(g.parameter(module.qkv, "bias"), heads, 3, HEAD_WIDTH)
        bias = g.reshape(g.op("Transpose", bias, perm=[1, 0, 2]), 3, width)
        parts = []
        for part in range(3):
            index = g.constant(part, np.int64)
            one, shift = (g.op("Gather", value, index, axis=0) for value in (weight, bias))
            parts.append(g.op("Add", g.op("MatMul", cells, one), shift))
        y = g.contrib("MultiHeadAttention", *parts, num_heads=heads)
        out = g.reshape(g.parameter(module.out, "weight"), width, width)
        out = g.op("MatMul", y, g.op("Transpose", out, perm=[1, 0]))
        out = g.op("Add", out, g.parameter(module.out, "bias"))
        out = g.op("Transpose", g.reshape(out, 0, DEPTH, -1, width), perm=[0, 1, 3, 2])
        return g.op("Add", x, g.reshape(out, 0, DEPTH, width, -1, bands))
