"""HTDemucs' graph: a spectrogram and a wave to those of all stems, for one segment length."""

from __future__ import annotations

import math

import torch
from torch import nn

from bandmate_export.graph import Graph
from bandmate_export.layers import layer_norm, pointwise
from bandmate_training.networks.waveform.cross_transformer import (
    CrossTransformer,
    Layer,
    SequenceNorm,
    cell_positions,
    frame_positions,
)
from bandmate_training.networks.waveform.htdemucs import (
    EPSILON,
    Decoder,
    DilatedConvs,
    Encoder,
    HTDemucs,
)

Size = tuple[int, int, int]  # channels, bands, frames; a wave has one band


def htdemucs_outputs(g: Graph, network: HTDemucs, samples: int) -> tuple[str, str]:
    """Write the network; return the values of spectra (1, S, 2C, bins, T) and waves (1, S, C, N).

    Args:
        g: the graph; its inputs are "spectrum" (1, 2C, bins, T) and "wave" (1, C, N).
        network: with its weights.
        samples: N of a segment; T is a hop's share of it, rounded up.
    """
    config = network.config
    frames, bins = math.ceil(samples / config.hop), config.nfft // 2
    x, mean, deviation = _standardised(g, "spectrum", 2 * config.audio_channels * bins * frames)
    y, mean_t, deviation_t = _standardised(g, "wave", config.audio_channels * samples)
    y = g.unsqueeze(y, 2)  # (1, C, 1, N): all convolutions are in two dimensions
    skips: list[tuple[str, str]] = []
    bands, lengths = [bins], [samples]
    for level, (encode, encode_t) in enumerate(zip(network.encoder, network.tencoder, strict=True)):
        width = config.widths[level]
        bands.append(bands[-1] // config.stride)
        lengths.append(-(-lengths[-1] // config.stride))
        x = _encoder(g, x, encode, (width, bands[-1], frames), 0)
        y = _encoder(g, y, encode_t, (width, 1, lengths[-1]), -lengths[-2] % config.stride)
        if level == 0 and config.freq_emb:
            x = g.op("Add", x, g.constant((config.freq_emb * network.freq_emb()).detach().numpy()))
        skips.append((x, y))
    x, y = _crossed(g, x, y, network, (config.widths[-1], bands[-1], frames), lengths[-1])
    for level in reversed(range(config.depth)):
        place = config.depth - 1 - level
        decode, decode_t = network.decoder[place], network.tdecoder[place]
        skip, skip_t = skips[level]
        size = (config.widths[level], bands[level + 1], frames)
        size_t = (config.widths[level], 1, lengths[level + 1])
        x = _decoder(g, x, skip, decode, size, bands[level])
        y = _decoder(g, y, skip_t, decode_t, size_t, lengths[level])
    x = g.op("Add", g.op("Mul", x, deviation), mean)
    y = g.op("Add", g.op("Mul", y, g.unsqueeze(deviation_t, 3)), g.unsqueeze(mean_t, 3))
    stems = len(config.sources)
    spectra = g.reshape(x, 1, stems, -1, bins, frames)
    return spectra, g.reshape(y, 1, stems, -1, samples)


def _standardised(g: Graph, x: str, count: int) -> tuple[str, str, str]:
    """Write a value with mean 0 and deviation 1, and both as they were."""
    mean = g.op("ReduceMean", x, keepdims=1)
    centred = g.op("Sub", x, mean)
    power = g.op("ReduceSumSquare", centred, keepdims=1)
    deviation = g.op("Sqrt", g.op("Mul", power, g.constant(1 / (count - 1))))
    return g.op("Div", centred, g.op("Add", deviation, g.constant(EPSILON))), mean, deviation


def _conv(g: Graph, x: str, module: nn.Module, end: int = 0) -> str:
    """Write a convolution of (1, channels, bands, T), over both axes or over T alone.

    Args:
        g: the graph.
        x: the value.
        module: in one or two dimensions.
        end: zeros to add at the end of T.
    """
    assert isinstance(module, nn.Conv1d | nn.Conv2d)
    weight = g.parameter(module, "weight")
    flat = isinstance(module, nn.Conv1d)
    if flat:
        weight = g.unsqueeze(weight, 2)
    one = (1,) if flat else ()
    none = (0,) if flat else ()
    assert isinstance(module.padding, tuple)
    pads = [*none, *module.padding]
    return g.op(
        "Conv",
        x,
        weight,
        g.parameter(module, "bias"),
        kernel_shape=[*one, *module.kernel_size],
        strides=[*one, *module.stride],
        pads=[*pads, pads[0], pads[1] + end],
        dilations=[*one, *module.dilation],
    )


def _glu(g: Graph, x: str, axis: int) -> str:
    values, gates = g.split(x, 2, axis)
    return g.op("Mul", values, g.op("Sigmoid", gates))


def _encoder(g: Graph, x: str, encode: nn.Module, size: Size, end: int) -> str:
    assert isinstance(encode, Encoder)
    y = g.op("Gelu", _conv(g, x, encode.conv, end))
    return _glu(g, _conv(g, _dilated(g, y, encode.dconv, size), encode.rewrite), 1)


def _decoder(g: Graph, x: str, skip: str, decode: nn.Module, size: Size, length: int) -> str:
    """Write one level up, to `length` bands or samples."""
    assert isinstance(decode, Decoder)
    y = _glu(g, _conv(g, g.op("Add", x, skip), decode.rewrite), 1)
    y = _dilated(g, y, decode.dconv, size)
    module = decode.conv_tr
    kernel, stride = module.kernel_size[0], module.stride[0]
    weight = g.parameter(module, "weight")
    whole = (size[1] if decode.spectral else size[2]) * stride + kernel - stride
    cut = (decode.pad, whole - decode.pad - length)  # what padding takes off at both ends
    over_bands = decode.spectral
    z = g.op(
        "ConvTranspose",
        y,
        weight if over_bands else g.unsqueeze(weight, 2),
        g.parameter(module, "bias"),
        kernel_shape=[kernel, 1] if over_bands else [1, kernel],
        strides=[stride, 1] if over_bands else [1, stride],
        pads=[cut[0], 0, cut[1], 0] if over_bands else [0, cut[0], 0, cut[1]],
    )
    return z if decode.last else g.op("Gelu", z)


def _dilated(g: Graph, x: str, module: nn.Module, size: Size) -> str:
    """Write the residual branches on every band of (1, width, bands, T) by itself."""
    if not isinstance(module, DilatedConvs):
        return x
    width, bands, frames = size
    rows = g.op("Transpose", x, perm=[0, 2, 1, 3])
    rows = g.reshape(rows, bands, width, 1, frames)
    for layer in module.layers:
        assert isinstance(layer, nn.Sequential)
        first, norm, _, second, last_norm, _, scale = layer
        h = g.op("Gelu", _row_norm(g, _conv(g, rows, first), norm, (bands, frames)))
        h = _glu(g, _row_norm(g, _conv(g, h, second), last_norm, (bands, frames)), 1)
        factors = g.reshape(g.parameter(scale, "scale"), -1, 1, 1)
        rows = g.op("Add", rows, g.op("Mul", h, factors))
    return g.op("Transpose", g.reshape(rows, 1, bands, width, frames), perm=[0, 2, 1, 3])


def _row_norm(g: Graph, x: str, module: nn.Module, size: tuple[int, int]) -> str:
    """Write a normalisation of every row (channels, 1, frames) of a value (bands, ...).

    Of many rows as a layer normalisation, which all cores share, with weights that are repeated
    over time; a single long row's would be as large as the row.
    """
    assert isinstance(module, nn.GroupNorm)
    channels, (bands, frames) = module.num_channels, size
    if bands == 1:
        return _long_row_norm(g, x, module, frames)
    flat = g.reshape(x, 0, channels * frames)
    shape = g.integers(channels, frames)
    weight, bias = (
        g.reshape(g.op("Expand", g.unsqueeze(g.parameter(module, name), 1), shape), -1)
        for name in ("weight", "bias")
    )
    normal = g.op("LayerNormalization", flat, weight, bias, axis=-1, epsilon=module.eps)
    return g.reshape(normal, 0, channels, 1, frames)


def _long_row_norm(g: Graph, x: str, module: nn.GroupNorm, frames: int) -> str:
    """Write a normalisation of (1, channels, 1, frames)."""
    flat = g.reshape(x, 1, 1, -1)
    one, zero = g.constant([1.0]), g.constant([0.0])
    normal = g.op("InstanceNormalization", flat, one, zero, epsilon=module.eps)
    normal = g.reshape(normal, 1, module.num_channels, 1, frames)
    weight, bias = (g.unsqueeze(g.parameter(module, name), 1, 2) for name in ("weight", "bias"))
    return g.op("Add", g.op("Mul", normal, weight), bias)


def _crossed(
    g: Graph, x: str, y: str, network: HTDemucs, size: Size, length: int
) -> tuple[str, str]:
    """Write the transformer between the deepest levels."""
    config = network.config
    if not config.t_layers:
        return x, y
    if config.bottom_channels:
        x = _conv(g, x, network.channel_upsampler)
        y = _conv(g, y, network.channel_upsampler_t)
    x, y = _transformer(g, x, y, network.crosstransformer, size[1:], length)
    if config.bottom_channels:
        x = _conv(g, x, network.channel_downsampler)
        y = _conv(g, y, network.channel_downsampler_t)
    return x, y


def _transformer(
    g: Graph, x: str, y: str, module: CrossTransformer, grid: tuple[int, int], length: int
) -> tuple[str, str]:
    """Write the layers on cells (1, width, bands, T) and frames (1, width, 1, N)."""
    config, (bands, frames) = module.config, grid
    weight = config.position_weight
    with torch.no_grad():
        cells = weight * cell_positions(config.width, bands, frames, config.max_period)
        places = weight * frame_positions(config.width, length, config.max_period)
    x = g.reshape(g.op("Transpose", x, perm=[0, 3, 2, 1]), 1, frames * bands, config.width)
    x = g.op("Add", layer_norm(g, x, module.norm_in), g.constant(cells.numpy()))
    y = g.reshape(g.op("Transpose", y, perm=[0, 2, 3, 1]), 1, length, config.width)
    y = g.op("Add", layer_norm(g, y, module.norm_in_t), g.constant(places.numpy()))
    for layer, layer_t in zip(module.layers, module.layers_t, strict=True):
        x, y = _layer(g, x, y, layer), _layer(g, y, x, layer_t)
    x = g.op("Transpose", g.reshape(x, 1, frames, bands, config.width), perm=[0, 3, 2, 1])
    return x, g.unsqueeze(g.op("Transpose", y, perm=[0, 2, 1]), 2)


def _layer(g: Graph, x: str, other: str, layer: nn.Module) -> str:
    assert isinstance(layer, Layer)
    query = layer_norm(g, x, layer.norm1)
    key = layer_norm(g, other, layer.norm2) if layer.cross else query
    attended = g.op("Mul", _attention(g, query, key, layer.attention), _scale(g, layer.gamma_1))
    x = g.op("Add", x, attended)
    h = g.op("Gelu", pointwise(g, layer_norm(g, x, layer.feed_norm), layer.linear1))
    h = g.op("Mul", pointwise(g, h, layer.linear2), _scale(g, layer.gamma_2))
    return _sequence_norm(g, g.op("Add", x, h), layer.norm_out)


def _scale(g: Graph, module: nn.Module) -> str:
    return g.parameter(module, "scale")


def _sequence_norm(g: Graph, x: str, module: SequenceNorm) -> str:
    """Write the normalisation of a whole sequence (1, N, width)."""
    mean = g.op("ReduceMean", x, keepdims=1)
    centred = g.op("Sub", x, mean)
    variance = g.op("ReduceMean", g.op("Mul", centred, centred), keepdims=1)
    deviation = g.op("Sqrt", g.op("Add", variance, g.constant(module.eps)))
    factors = g.op("Div", g.parameter(module, "weight"), deviation)
    return g.op("Add", g.op("Mul", centred, factors), g.parameter(module, "bias"))


def _attention(g: Graph, query: str, key: str, module: nn.MultiheadAttention) -> str:
    """Write attention of (1, N, width) to (1, M, width), with its projections."""
    width, heads = module.embed_dim, module.num_heads
    weights = g.split(g.parameter(module, "in_proj_weight"), 3, 0)
    biases = g.split(g.parameter(module, "in_proj_bias"), 3, 0)
    q, k, v = (
        g.op("Add", g.op("MatMul", value, g.op("Transpose", weight, perm=[1, 0])), bias)
        for value, weight, bias in zip((query, key, key), weights, biases, strict=True)
    )
    y = g.contrib("MultiHeadAttention", q, k, v, num_heads=heads)
    assert width % heads == 0
    return pointwise(g, y, module.out_proj)
