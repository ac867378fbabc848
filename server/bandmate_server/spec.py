"""The facts that every package shares: rates, mel, latent shape, stems, presets.

Axis letters used in shape comments everywhere:

    B  batch                     S  stems, in the order of `STEMS`
    C  latent channels           T  latent frames (40 ms)
    F  latent bands              N  audio samples or mel frames, as the text says
    M  mel bands                 G  guidance halves (1 or 2)
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, ClassVar, Literal

STEMS = ("bass", "drums", "guitar", "piano")
OTHER = "other"
STEM_PATTERN = r"[a-z][a-z0-9_-]{0,31}"  # what a model may call a stem: a file is named so
BACKING = "backing"  # a bounced mix of what is not given stem by stem

MIN_RATE, MAX_RATE = 8_000, 192_000  # Hz, of audio that goes in or out
MAX_CHANNELS = 8

Prediction = Literal["eps", "v", "clean"]
Conditioning = Literal["mixture", "learnt"]


@dataclass(frozen=True)
class MelSpec:
    """The log-mel front end: ln(max(mel, floor)) of DFT magnitudes, Slaney bands."""

    sample_rate: int = 16_000  # Hz
    fft_size: int = 1024  # samples, periodic Hann window of the same length
    hop: int = 160  # samples
    bands: int = 64
    fmin: float = 0.0  # Hz
    fmax: float = 8000.0  # Hz
    floor: float = 1e-5  # magnitude


@dataclass(frozen=True)
class ScheduleSpec:
    """Noise levels: beta from start to end, linear in its square root.

    `rescaled` moves them so that the last level holds no signal at all.
    """

    steps: int = 1000
    beta_start: float = 0.0015
    beta_end: float = 0.0195
    rescaled: bool = False


@dataclass(frozen=True)
class BandSpec:
    """The grid of the separator's masks: frames of a sine-windowed DFT, bins joined to bands."""

    sample_rate: int = 16_000  # Hz
    fft_size: int = 1024  # samples
    hop: int = 320  # samples
    single: int = 64  # lowest bands, of one bin each
    bands: int = 128


@dataclass(frozen=True)
class ModelSpec:
    """What the engine must know of a model; stored in its bundle and ONNX files.

    `prediction` is what the denoiser was trained to predict. Its graph gives clean latents whatever
    that is, so nothing asks for it; but it is part of what identifies a model.
    `conditioning` names the denoiser's inputs: "mixture" is the paper's (the mixture's
    latent, zeros for none), "learnt" adds the mixture's kind and known stems with a mask.
    `masks` is the grid of the separator's masks; None: the model has no separator.
    `latent_cells` is the cells of a latent frame where they are no bands of the mel, but notes.
    """

    kind: ClassVar[str] = "latent"

    name: str
    prediction: Prediction = "eps"
    conditioning: Conditioning = "mixture"
    masks: BandSpec | None = None
    stems: tuple[str, ...] = STEMS
    mel: MelSpec = field(default_factory=MelSpec)
    schedule: ScheduleSpec = field(default_factory=ScheduleSpec)
    latent_channels: int = 8
    latent_ratio: int = 4  # mel frames, and mel bands, per latent cell
    latent_multiple: int = 8  # latent frames: every length is a multiple
    window_latents: int = 256  # latent frames in one window (10.24 s)
    latent_cells: int | None = None

    @property
    def sample_rate(self) -> int:
        """Of the audio that the model takes, Hz."""
        return self.mel.sample_rate

    @property
    def has_notes(self) -> bool:
        """Whether latents are notes, laid out as in `model/notes/layout.py`."""
        return self.latent_cells is not None

    @property
    def latent_bands(self) -> int:
        """Latent cells along frequency (F)."""
        return self.latent_cells or self.mel.bands // self.latent_ratio

    @property
    def latent_hop(self) -> int:
        """Audio samples per latent frame."""
        return self.mel.hop * self.latent_ratio

    @property
    def mask_ratio(self) -> int:
        """Frames of the separator's masks per latent frame; 0 without a separator."""
        return self.latent_hop // self.masks.hop if self.masks else 0

    @property
    def window_samples(self) -> int:
        """Audio samples, at the model's rate, in one window."""
        return self.window_latents * self.latent_hop

    @property
    def block_samples(self) -> int:
        """Audio samples of which every encoder input is a multiple."""
        return self.latent_multiple * self.latent_hop

    def to_json(self) -> dict[str, Any]:
        """Return the spec as JSON values.

        What came later is left out at its default, so that a bundle's hash stays what it was.
        """
        values = asdict(self)
        if self.latent_cells is None:
            del values["latent_cells"]
        if not self.schedule.rescaled:
            del values["schedule"]["rescaled"]
        return values

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ModelSpec:
        """Rebuild a spec from `to_json`.

        Raises:
            ValueError: if a key is unknown or missing, or a value has the wrong type.
        """
        try:
            values = dict(data)
            values["mel"] = MelSpec(**values["mel"])
            values["schedule"] = ScheduleSpec(**values["schedule"])
            values["masks"] = values["masks"] and BandSpec(**values["masks"])
            values["stems"] = tuple(values["stems"])
            return cls(**values)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a model spec: {error}") from error


@dataclass(frozen=True)
class TransformSpec:
    """A short-time Fourier transform of segments of one length, with a periodic Hann window.

    fft_size: of the window and the transform, samples.
    hop: samples from frame to frame.
    frames: of a segment.
    lead: samples of the first frame that lie before the segment; these and those of the last
        frames behind it are the segment's reflection.
    bins: that are kept, from 0 Hz up; the others are 0 on the way back.
    spare_frames: silent frames on either side that count among those that overlap.
    unitary: whether the transform is divided by the square root of its size.
    """

    fft_size: int
    hop: int
    frames: int
    lead: int
    bins: int
    spare_frames: int = 0
    unitary: bool = False

    @property
    def scale(self) -> float:
        """What a spectrum is multiplied by."""
        return float(self.fft_size**-0.5) if self.unitary else 1.0


@dataclass(frozen=True)
class WaveformSpec:
    """What the engine must know of a network that turns the wave of a mixture into those of stems.

    sources: what the network's outputs are, in their order; `other` may be one of them.
    sample_rate: Hz.
    channels: of the wave, 1 or 2.
    segment: samples that it takes at once, no more and no fewer.
    transform: of the spectrum that it takes and gives; None: it works on the wave alone.
    wave: whether it takes and gives waves; beside a transform, both outputs are added.
    overlap: of neighbouring segments, as a share of one, that the model is meant to be used with.
    apart: whether every source has a network of its own; only those of wanted stems are run.
    """

    kind: ClassVar[str] = "waveform"

    name: str
    sources: tuple[str, ...]
    sample_rate: int = 44_100
    channels: int = 2
    segment: int = 343_980
    transform: TransformSpec | None = None
    wave: bool = True
    overlap: float = 0.25
    apart: bool = False

    def __post_init__(self) -> None:
        """Check what a manifest may have wrong.

        Raises:
            ValueError: naming it.
        """
        if not self.stems or len(set(self.sources)) < len(self.sources):
            raise ValueError(f"sources are {self.sources}: expected names, each once")
        if not all(re.fullmatch(STEM_PATTERN, name) for name in self.sources):
            raise ValueError(f"sources are {self.sources}: expected words of small letters")
        if not MIN_RATE <= self.sample_rate <= MAX_RATE or self.channels not in (1, 2):
            raise ValueError(f"{self.sample_rate} Hz in {self.channels} channels: expected 1 or 2")
        if not (self.segment > 0 and 0.0 <= self.overlap < 1.0 and (self.wave or self.transform)):
            raise ValueError("expected a segment, an overlap below 1, and a wave or a transform")

    @property
    def stems(self) -> tuple[str, ...]:
        """The stems that can be asked for; `other` is always what they leave."""
        return tuple(name for name in self.sources if name != OTHER)

    @property
    def window_samples(self) -> int:
        """Audio samples, at the model's rate, that it sees at once."""
        return self.segment

    def to_json(self) -> dict[str, Any]:
        """Return the spec as JSON values; what came later is left out at its default."""
        values = {"kind": self.kind, **asdict(self), "sources": list(self.sources)}
        if not self.apart:
            del values["apart"]
        return values

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> WaveformSpec:
        """Rebuild a spec from `to_json`.

        Raises:
            ValueError: if a key is unknown or missing, or a value is wrong.
        """
        try:
            values = {key: value for key, value in data.items() if key != "kind"}
            values["sources"] = tuple(values["sources"])
            values["transform"] = values["transform"] and TransformSpec(**values["transform"])
            return cls(**values)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a model spec: {error}") from error


AnySpec = ModelSpec | WaveformSpec
SPECS: dict[str, type[ModelSpec] | type[WaveformSpec]] = {
    spec.kind: spec for spec in (ModelSpec, WaveformSpec)
}


def spec_from_json(data: dict[str, Any]) -> AnySpec:
    """Rebuild a spec of any kind; the first kind was not written down.

    Raises:
        ValueError: if its kind is unknown, or it is damaged.
    """
    kind = data.get("kind", ModelSpec.kind) if isinstance(data, dict) else None
    if kind not in SPECS:
        raise ValueError(f"the model is of kind {kind!r}: expected one of {', '.join(SPECS)}")
    known = {"kind", *(one.name for one in fields(SPECS[kind]))}
    if unknown := sorted(data.keys() - known):
        raise ValueError(
            f"its spec has {', '.join(unknown)}, which this bandmate does not know:"
            " was the model made for a newer one?"
        )
    return SPECS[kind].from_json(data)


MEL = MelSpec()
PAPER = ModelSpec(name="paper")
MINI = replace(PAPER, name="mini", prediction="v", conditioning="learnt", masks=BandSpec())
NOTES = replace(
    MINI,
    prediction="clean",
    latent_channels=2,
    latent_cells=100,
    schedule=ScheduleSpec(rescaled=True),
)
PRESETS = {"paper": PAPER, "mini": MINI}
