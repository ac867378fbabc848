"""The models that can be had: what each does, where its files are, how large, under which licence.

Nothing is fetched here; `bandmate models get` does that when it is asked to. What authors do not
say is None or "unknown". Figures of time are classes, as machines differ.

Sources, beside the addresses themselves: the list of files and checksums of PyPI's demucs 4.1.0;
the README of github.com/karchkha/MSG-LD and of github.com/RetroCirce/MusicLDM;
facebookresearch/demucs, issues 327 and 508; the model card of huggingface.co/KimberleyJSN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote, urlsplit

from bandmate_server.errors import BundleError
from bandmate_server.option_kinds import meant
from bandmate_server.options import PARTS, TASKS, Task
from bandmate_server.spec import STEMS

Kind = Literal[
    "mini",
    "msg-ld",
    "msg-ld-arrange",
    "htdemucs",
    "htdemucs_ft",
    "htdemucs_6s",
    "bs-roformer",
    "mel-band-roformer",
]
Speed = Literal["fast", "medium", "slow", "very slow"]
SPEEDS: dict[Speed, str] = {
    "fast": "a tenth of the song's length on two cores",
    "medium": "about as long as the song on one core",
    "slow": "several times as long as the song; better on a GPU",
    "very slow": "an hour for ten seconds without a GPU",
}
UNKNOWN = "unknown"
CONFIG = "config"  # the role of a file that says what the weights are of


@dataclass(frozen=True)
class PublishedFile:
    """A file of weights, or what describes them, where its authors put it.

    role: what the conversion calls it.
    url: https.
    sha256: hex, whole or as many of its first digits as are published; "" where none are.
    size: bytes, about; None where it is not known.
    """

    role: str
    url: str
    sha256: str = ""
    size: int | None = None

    @property
    def name(self) -> str:
        """Its file name."""
        return unquote(urlsplit(self.url).path.rpartition("/")[2])


@dataclass(frozen=True)
class PublishedModel:
    """A row of the catalogue.

    name: what commands call it.
    kind: how its files are converted.
    words: what it is for.
    tasks: that it is for.
    stems: its own; `other` comes on top.
    files: to fetch, in the order of their roles.
    code_licence, weights_licence: a short name, or UNKNOWN.
    licence_note: who says so, or what else is to be known.
    disk_mb: of the installed bundle, about.
    memory_gb: that a separation or a part takes at its peak, about: measured for `mini` and
        HTDemucs on random weights of full size, an estimate for the others.
    speed: its class on a processor.
    """

    name: str
    kind: Kind
    words: str
    tasks: tuple[Task, ...]
    stems: tuple[str, ...]
    files: tuple[PublishedFile, ...]
    code_licence: str
    weights_licence: str
    licence_note: str
    disk_mb: int
    memory_gb: float
    speed: Speed

    @property
    def download_bytes(self) -> int | None:
        """What is to be fetched, about, or None where the size of weights is not known."""
        sizes = [file.size for file in self.files if file.role != CONFIG]
        return None if None in sizes else sum(size or 0 for size in sizes)


ZENODO = "https://zenodo.org/records"
DEMUCS = "https://dl.fbaipublicfiles.com/demucs/hybrid_transformer"
VOCALS = ("drums", "bass", "vocals")
_MUSICLDM = (
    PublishedFile("vae", f"{ZENODO}/10643148/files/vae-ckpt.ckpt"),
    PublishedFile("vocoder", f"{ZENODO}/10643148/files/hifigan-ckpt.ckpt"),
)
_MSG_LD_NOTE = (
    "autoencoder and vocoder are MusicLDM's (CC BY-NC-SA 4.0: not for commercial use);"
    " for the network itself see its page on Zenodo"
)
_DEMUCS_NOTE = (
    "their author: not under the code's licence, for scientific purposes"
    " (facebookresearch/demucs, issues 327 and 508)"
)


def _demucs(role: int, file: str, size: int = 84_141_911, sha256: str = "") -> PublishedFile:
    """Return a file of demucs, whose name ends in the first digits of its checksum."""
    return PublishedFile(str(role), f"{DEMUCS}/{file}.th", sha256 or file.partition("-")[2], size)


CATALOGUE: tuple[PublishedModel, ...] = (
    PublishedModel(
        name="mini",
        kind="mini",
        words="stems in no time, and new parts; comes with bandmate",
        tasks=TASKS,
        stems=STEMS,
        files=(),
        code_licence="MIT",
        weights_licence="MIT",
        licence_note="",
        disk_mb=78,
        memory_gb=1.1,
        speed="fast",
    ),
    PublishedModel(
        name="htdemucs",
        kind="htdemucs",
        words="drums, bass and vocals; the usual choice for songs with a singer",
        tasks=("separate",),
        stems=VOCALS,
        files=(
            _demucs(
                0,
                "955717e8-8726e21a",
                84_141_911,
                "8726e21a993978c7ba086d3872e7608d7d5bfca646ca4aca459ffda844faa8b4",
            ),
        ),
        code_licence="MIT",
        weights_licence="research",
        licence_note=_DEMUCS_NOTE,
        disk_mb=92,
        memory_gb=2.7,
        speed="medium",
    ),
    PublishedModel(
        name="htdemucs_ft",
        kind="htdemucs_ft",
        words="the same a little better, in four times the time: one network for each stem",
        tasks=("separate",),
        stems=VOCALS,
        files=(
            _demucs(0, "f7e0c4bc-ba3fe64a"),
            _demucs(1, "d12395a8-e57c48e6"),
            _demucs(2, "92cfc3b6-ef3bcb9c"),
            _demucs(3, "04573f0d-f3cf25b2"),
        ),
        code_licence="MIT",
        weights_licence="research",
        licence_note=_DEMUCS_NOTE,
        disk_mb=275,
        memory_gb=3.0,
        speed="slow",
    ),
    PublishedModel(
        name="htdemucs_6s",
        kind="htdemucs_6s",
        words="drums, bass, vocals, guitar and piano; its authors call the piano weak",
        tasks=("separate",),
        stems=(*VOCALS, "guitar", "piano"),
        files=(
            _demucs(
                0,
                "5c90dfd2-34c22ccb",
                54_996_327,
                "34c22ccb381c6f9fdbf324f04e1e2fe21aaaf293f5ded163a162697ff9a02ddd",
            ),
        ),
        code_licence="MIT",
        weights_licence="research",
        licence_note=_DEMUCS_NOTE,
        disk_mb=60,
        memory_gb=2.6,
        speed="medium",
    ),
    PublishedModel(
        name="melband-vocals",
        kind="mel-band-roformer",
        words="vocals alone, very clean; K. Jensen's Mel-Band RoFormer",
        tasks=("separate",),
        stems=("vocals",),
        files=(
            PublishedFile(
                "weights",
                "https://huggingface.co/KimberleyJSN/melbandroformer/resolve/"
                "ac9b0614ab3cd7f77219e18ba494dfd93956c348/MelBandRoformer.ckpt",
                "87201f4d31afb5bc79993230fc49446918425574db48c01c405e44f365c7559e",
                913_106_900,
            ),
            PublishedFile(
                CONFIG,
                "https://raw.githubusercontent.com/ZFTurbo/Music-Source-Separation-Training/"
                "83d495dfc81b2ede9bc62f4209619f8bdfd14995/configs/KimberleyJensen/"
                "config_vocals_mel_band_roformer_kj.yaml",
                "f63f38eb1e6e40a7db0dade714a5ae257555dd8748f4e774eae8679275a81926",
            ),
        ),
        code_licence="MIT",
        weights_licence="MIT",
        licence_note="by its model card",
        disk_mb=920,
        memory_gb=4.0,
        speed="slow",
    ),
    PublishedModel(
        name="msg-ld",
        kind="msg-ld",
        words="the paper's network of 128 channels: separates, and makes four stems from nothing",
        tasks=("separate", "generate"),
        stems=STEMS,
        files=(
            PublishedFile(
                "unet",
                f"{ZENODO}/15123184/files/2024-05-23T09-28-56_3_D_4_stems_slakh_mix_cond_sumch"
                "_3e-05_zero_unconditional_checkpoint.pt",
            ),
            *_MUSICLDM,
        ),
        code_licence=UNKNOWN,
        weights_licence="non-commercial",
        licence_note=_MSG_LD_NOTE,
        disk_mb=850,
        memory_gb=4.0,
        speed="very slow",
    ),
    PublishedModel(
        name="msg-ld-arrange",
        kind="msg-ld-arrange",
        words="the paper's network of 192 channels: adds stems to given ones",
        tasks=PARTS[:-1],
        stems=STEMS,
        files=(
            PublishedFile(
                "unet",
                f"{ZENODO}/15123213/files/2024-05-30T21-00-48_3_D_4_stems_slakh_mix_cond_sumch"
                "_ch_192_3e-05_zero_unconditional_checkpoint.pt",
            ),
            *_MUSICLDM,
        ),
        code_licence=UNKNOWN,
        weights_licence="non-commercial",
        licence_note=_MSG_LD_NOTE,
        disk_mb=1600,
        memory_gb=6.0,
        speed="very slow",
    ),
)


def find_published(name: str) -> PublishedModel:
    """Return the row of a model that can be had.

    Raises:
        BundleError: if there is none of this name; it says which there are.
    """
    rows = {row.name: row for row in CATALOGUE if row.files}
    if name in rows:
        return rows[name]
    if name in {row.name for row in CATALOGUE}:
        raise BundleError(f"{name} comes with bandmate: there is nothing to get")
    raise BundleError(f"no model {name!r} to get: {meant(name, rows)}There are {', '.join(rows)}")
