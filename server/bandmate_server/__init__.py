"""Bandmate's engine: stems from mixtures on ONNX Runtime, without torch.

    import soundfile
    from bandmate_server import add, open_model, separate, separate_file

    model = open_model("mini")
    audio, rate = soundfile.read("song.wav", dtype="float32")  # (frames, channels)
    stems = separate(model, audio, rate)  # {"bass": (frames, channels), ..., "other": ...}
    separate_file(model, "song.wav", "stems")  # stems/song/bass.wav ... manifest.json
    guitar = add(model, {"bass": bass, "drums": drums}, rate, ["guitar"])["guitar"]

All errors are `bandmate_server.errors.BandmateError`. Importing loads nothing else yet.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bandmate_server.model.opening import open_model
    from bandmate_server.parts.api import add, fill, generate, vary
    from bandmate_server.parts.files import add_files, fill_file, generate_files, vary_file
    from bandmate_server.separation.api import separate, separate_file
    from bandmate_server.settings import PartSettings, SeparateSettings

__all__ = [
    "PartSettings",
    "SeparateSettings",
    "add",
    "add_files",
    "fill",
    "fill_file",
    "generate",
    "generate_files",
    "open_model",
    "separate",
    "separate_file",
    "vary",
    "vary_file",
]
_ROOMS = {
    "parts.files": ("add_files", "fill_file", "generate_files", "vary_file"),
    "parts.api": ("add", "fill", "generate", "vary"),
    "model.opening": ("open_model",),
    "settings": ("PartSettings", "SeparateSettings"),
    "separation.api": ("separate", "separate_file"),
}


def __getattr__(name: str) -> Any:
    """Load the public functions on first use."""
    for room, names in _ROOMS.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{room}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
