"""HTDemucs: a U-Net on the spectrogram beside one on the wave, a transformer between them.

The transform and its inverse stand outside of `HTDemucs`, which maps a spectrogram and a wave to
those of all stems: the engine does them where they are quickest.

Source: Rouard, Massa and Défossez 2023 (Hybrid Transformers for Music Source Separation); Défossez
2021 (Hybrid Spectrogram and Waveform Source Separation). Parameters are named as in the published
checkpoints, so that these load as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import torch.nn.functional as F
from torch import Tensor, nn

from bandmate_training.networks.waveform.cross_transformer import (
    CrossTransformer,
    Scale,
    TransformerConfig,
)

EPSILON = 1e-5  # added to the deviation that inputs are divided by


@dataclass(frozen=True)
class HTDemucsConfig:
    """Sizes of the network; the defaults are those of the reference.

    sources: names of the stems.
    audio_channels: of the wave.
    channels: of the outermost level, times `growth` at each deeper one.
    nfft: length of the transform; the hop is a quarter of it.
    depth: levels.
    kernel_size, stride: of the convolutions over frequency, and of those over samples.
    freq_emb: weight of the embedding of frequencies; 0 is none.
    emb_scale: what its stored values are multiplied by.
    context: cells on either side that the decoder's rewriting convolutions see.
    dconv_mode: bit 0: residual dilated convolutions in the encoder, bit 1: in the decoder.
    dconv_depth, dconv_comp: how many of them, and by how much their channels are fewer.
    bottom_channels: of the transformer; 0 is what the deepest level has.
    t_layers, t_heads, t_hidden_scale, t_cross_first, t_max_period, t_weight_pos_embed: of the
        transformer.
    samplerate: Hz.
    segment: seconds that it was trained on.
    """

    sources: tuple[str, ...]
    audio_channels: int = 2
    channels: int = 48
    growth: int = 2
    nfft: int = 4096
    depth: int = 4
    kernel_size: int = 8
    stride: int = 4
    freq_emb: float = 0.2
    emb_scale: float = 10.0
    context: int = 1
    dconv_mode: int = 1
    dconv_depth: int = 2
    dconv_comp: int = 8
    bottom_channels: int = 0
    t_layers: int = 5
    t_heads: int = 8
    t_hidden_scale: float = 4.0
    t_cross_first: bool = False
    t_max_period: float = 10_000.0
    t_weight_pos_embed: float = 1.0
    samplerate: int = 44_100
    segment: float | Fraction = 10.0

    @property
    def hop(self) -> int:
        """Samples between frames of the spectrogram."""
        return self.nfft // 4

    @property
    def widths(self) -> list[int]:
        """Channels of every level."""
        return [self.channels * self.growth**level for level in range(self.depth)]

    @property
    def transformer(self) -> TransformerConfig:
        """Sizes of the transformer."""
        width = self.bottom_channels or self.widths[-1]
        return TransformerConfig(
            width=width,
            layers=self.t_layers,
            heads=self.t_heads,
            hidden=int(width * self.t_hidden_scale),
            cross_first=self.t_cross_first,
            max_period=self.t_max_period,
            position_weight=self.t_weight_pos_embed,
        )


class DilatedConvs(nn.Module):
    """Residual branches of dilated convolutions over time, through few channels."""

    def __init__(self, width: int, depth: int, compress: int) -> None:
        """Make the branches, named as in the published checkpoints."""
        super().__init__()
        hidden = width // compress
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(width, hidden, 3, padding=2**level, dilation=2**level),
                nn.GroupNorm(1, hidden),
                nn.GELU(),
                nn.Conv1d(hidden, 2 * width, 1),
                nn.GroupNorm(1, 2 * width),
                nn.GLU(1),
                Scale(width, last=False),
            )
            for level in range(depth)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, width, T), or every band of (B, width, F, T) by itself, to the same shape."""
        if x.dim() == 4:
            bands = x.shape[2]
            rows = x.transpose(1, 2).flatten(0, 1)
            return self(rows).unflatten(0, (-1, bands)).transpose(1, 2)
        for layer in self.layers:
            x = x + layer(x)
        return x


class Encoder(nn.Module):
    """One level down: over frequency (`spectral`), or over samples."""

    def __init__(self, inputs: int, width: int, config: HTDemucsConfig, spectral: bool) -> None:
        """Make the convolutions, named as in the published checkpoints."""
        super().__init__()
        kernel, stride, pad = config.kernel_size, config.stride, config.kernel_size // 4
        self.conv: nn.Conv1d | nn.Conv2d
        self.rewrite: nn.Conv1d | nn.Conv2d
        if spectral:
            self.conv = nn.Conv2d(inputs, width, (kernel, 1), (stride, 1), (pad, 0))
            self.rewrite = nn.Conv2d(width, 2 * width, 1)
        else:
            self.conv = nn.Conv1d(inputs, width, kernel, stride, pad)
            self.rewrite = nn.Conv1d(width, 2 * width, 1)
        self.dconv = dilated(width, config, 1)
        self.spectral, self.stride = spectral, stride

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, F or N, ...) to `width` channels, `stride` times fewer of F or N."""
        if not self.spectral:
            x = F.pad(x, (0, -x.shape[-1] % self.stride))
        y = F.gelu(self.conv(x))
        return F.glu(self.rewrite(self.dconv(y)), dim=1)


class Decoder(nn.Module):
    """One level up; the last one has no activation."""

    def __init__(
        self, width: int, outputs: int, config: HTDemucsConfig, spectral: bool, last: bool
    ) -> None:
        """Make the convolutions, named as in the published checkpoints."""
        super().__init__()
        kernel, stride, context = config.kernel_size, config.stride, config.context
        self.rewrite: nn.Conv1d | nn.Conv2d
        self.conv_tr: nn.ConvTranspose1d | nn.ConvTranspose2d
        if spectral:
            self.rewrite = nn.Conv2d(width, 2 * width, 1 + 2 * context, padding=context)
            self.conv_tr = nn.ConvTranspose2d(width, outputs, (kernel, 1), (stride, 1))
        else:
            self.rewrite = nn.Conv1d(width, 2 * width, 1 + 2 * context, padding=context)
            self.conv_tr = nn.ConvTranspose1d(width, outputs, kernel, stride)
        self.dconv = dilated(width, config, 2)
        self.spectral, self.last, self.pad = spectral, last, kernel // 4

    def forward(self, x: Tensor, skip: Tensor, length: int) -> Tensor:
        """Map features and those of the same level's encoder to `length` bands or samples."""
        y = self.dconv(F.glu(self.rewrite(x + skip), dim=1))
        z = self.conv_tr(y).narrow(2, self.pad, length)
        return z if self.last else F.gelu(z)


def dilated(width: int, config: HTDemucsConfig, bit: int) -> nn.Module:
    """Return the residual branches of a level, or nothing where the mode lacks the bit."""
    if not config.dconv_mode & bit:
        return nn.Identity()
    return DilatedConvs(width, config.dconv_depth, config.dconv_comp)


class FrequencyEmbedding(nn.Module):
    """A vector per band, stored `scale` times smaller."""

    def __init__(self, bands: int, width: int, scale: float) -> None:
        """Make the table, named as in the published checkpoints."""
        super().__init__()
        self.embedding = nn.Embedding(bands, width)
        self.scale = scale

    def forward(self) -> Tensor:
        """Return the vectors (width, bands, 1)."""
        return (self.embedding.weight * self.scale).t()[:, :, None]


class HTDemucs(nn.Module):
    """The network between the transforms."""

    def __init__(self, config: HTDemucsConfig) -> None:
        """Make the levels, outermost first in the encoders and last in the decoders."""
        super().__init__()
        self.config = config
        widths, channels = config.widths, config.audio_channels
        stems = len(config.sources)
        inner = zip([None, *widths[:-1]], widths, strict=True)
        levels = list(enumerate(inner))
        self.encoder = nn.ModuleList(
            Encoder(narrow or 2 * channels, wide, config, spectral=True)
            for _, (narrow, wide) in levels
        )
        self.tencoder = nn.ModuleList(
            Encoder(narrow or channels, wide, config, spectral=False)
            for _, (narrow, wide) in levels
        )
        self.decoder = nn.ModuleList(
            Decoder(wide, narrow or 2 * channels * stems, config, True, last=level == 0)
            for level, (narrow, wide) in reversed(levels)
        )
        self.tdecoder = nn.ModuleList(
            Decoder(wide, narrow or channels * stems, config, False, last=level == 0)
            for level, (narrow, wide) in reversed(levels)
        )
        if config.freq_emb:
            bands = config.nfft // 2 // config.stride
            self.freq_emb = FrequencyEmbedding(bands, widths[0], config.emb_scale)
        if config.t_layers:
            self.crosstransformer = CrossTransformer(config.transformer)
        if config.t_layers and config.bottom_channels:
            wide, bottom = widths[-1], config.bottom_channels
            self.channel_upsampler = nn.Conv1d(wide, bottom, 1)
            self.channel_downsampler = nn.Conv1d(bottom, wide, 1)
            self.channel_upsampler_t = nn.Conv1d(wide, bottom, 1)
            self.channel_downsampler_t = nn.Conv1d(bottom, wide, 1)

    def forward(self, spectrum: Tensor, wave: Tensor) -> tuple[Tensor, Tensor]:
        """Return spectra and waves whose sound, added, is the stems'.

        Args:
            spectrum: (B, 2 channels, bins, T): real and imaginary part of each channel in turn.
            wave: (B, channels, N) of the same sound.

        Returns:
            (B, S, 2 channels, bins, T) and (B, S, channels, N).
        """
        x, mean, deviation = standardised(spectrum)
        y, mean_t, deviation_t = standardised(wave)
        skips, skips_t, bands, lengths = [], [], [], []
        for level, (encode, encode_t) in enumerate(zip(self.encoder, self.tencoder, strict=True)):
            bands.append(x.shape[2])
            lengths.append(y.shape[2])
            x, y = encode(x), encode_t(y)
            if level == 0 and self.config.freq_emb:
                x = x + self.config.freq_emb * self.freq_emb()
            skips.append(x)
            skips_t.append(y)
        x, y = self._crossed(x, y)
        for decode, decode_t in zip(self.decoder, self.tdecoder, strict=True):
            x = decode(x, skips.pop(), bands.pop())
            y = decode_t(y, skips_t.pop(), lengths.pop())
        stems = len(self.config.sources)
        x = x.unflatten(1, (stems, -1)) * deviation[:, None] + mean[:, None]
        y = y.unflatten(1, (stems, -1)) * deviation_t[:, None] + mean_t[:, None]
        return x, y

    def _crossed(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Pass both through the transformer, at its width."""
        if not self.config.t_layers:
            return x, y
        if not self.config.bottom_channels:
            crossed: tuple[Tensor, Tensor] = self.crosstransformer(x, y)
            return crossed
        bands = x.shape[2]
        x = self.channel_upsampler(x.flatten(2)).unflatten(2, (bands, -1))
        x, y = self.crosstransformer(x, self.channel_upsampler_t(y))
        x = self.channel_downsampler(x.flatten(2)).unflatten(2, (bands, -1))
        return x, self.channel_downsampler_t(y)


def standardised(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return items of (B, ...) with mean 0 and deviation 1, and what these were before."""
    axes = tuple(range(1, x.dim()))
    mean, deviation = x.mean(axes, keepdim=True), x.std(axes, keepdim=True)
    return (x - mean) / (EPSILON + deviation), mean, deviation
