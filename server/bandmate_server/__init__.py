"""Bandmate's engine: stems from mixtures on ONNX Runtime, without torch.

    import soundfile
    from bandmate_server import add, open_model, separate, separate_file

    model = open_model("mini")
    audio, rate = soundfile.read("song.wav", dtype="float32")  # (frames, channels)
    stems = separate(model, audio, sample_rate=rate)  # {"bass": (frames, channels), ...}
    separate_file(model, "song.wav", "stems")  # stems/song/bass.wav ... manifest.json
    given = {"bass": stems["bass"], "drums": stems["drums"]}
    guitar = add(model, "guitar", given, sample_rate=rate)["guitar"]

All errors are `BandmateError`; those of a caller's arguments are ValueErrors too. Importing loads
nothing else yet.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bandmate_server.errors import (
        AudioError,
        BandmateError,
        BundleError,
        Cancelled,
        DeviceError,
        OutputError,
        RegionError,
        SettingsError,
    )
    from bandmate_server.model.model import Model
    from bandmate_server.model.opening import open_model
    from bandmate_server.parts.api import add, fill, generate, vary
    from bandmate_server.parts.files import add_files, fill_file, generate_files, vary_file
    from bandmate_server.results.result import Result
    from bandmate_server.separation.api import separate, separate_file
    from bandmate_server.settings import PartSettings, SeparateSettings

__all__ = [
    "AudioError",
    "BandmateError",
    "BundleError",
    "Cancelled",
    "DeviceError",
    "Model",
    "OutputError",
    "PartSettings",
    "RegionError",
    "Result",
    "SeparateSettings",
    "SettingsError",
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
_MODULES = {
    "model.model": ("Model",),
    "parts.api": ("add", "fill", "generate", "vary"),
    "model.opening": ("open_model",),
    "parts.files": ("add_files", "fill_file", "generate_files", "vary_file"),
    "results.result": ("Result",),
    "separation.api": ("separate", "separate_file"),
    "settings": ("PartSettings", "SeparateSettings"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}  # else: errors


def __getattr__(name: str) -> Any:
    """Load the public names on first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _HOMES.get(name, "errors")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    """Return the public names, for completion."""
    return sorted(__all__)
