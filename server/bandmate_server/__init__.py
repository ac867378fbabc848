"""Bandmate's engine: stems from mixtures on ONNX Runtime, without torch.

    import soundfile
    from bandmate_server import open_model, separate, separate_file

    model = open_model("mini")
    audio, rate = soundfile.read("song.wav", dtype="float32")  # (frames, channels)
    stems = separate(model, audio, rate)  # {"bass": (frames, channels), ..., "other": ...}
    separate_file(model, "song.wav", "stems")  # stems/song/bass.wav ... manifest.json

All errors are `bandmate_server.errors.BandmateError`. Importing loads nothing else yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bandmate_server.session import open_model
    from bandmate_server.settings import SeparateSettings
    from bandmate_server.tasks import separate, separate_file

__all__ = ["SeparateSettings", "open_model", "separate", "separate_file"]


def __getattr__(name: str) -> Any:
    """Load the public functions on first use."""
    if name == "open_model":
        from bandmate_server.session import open_model as found
    elif name == "SeparateSettings":
        from bandmate_server.settings import SeparateSettings as found  # type: ignore[assignment]
    elif name in ("separate", "separate_file"):
        from bandmate_server import tasks

        return getattr(tasks, name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return found
