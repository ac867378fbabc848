"""Opening a bundle as a model of its kind."""

from __future__ import annotations

from pathlib import Path

from bandmate_server.errors import SettingsError
from bandmate_server.model.bundle import load_bundle
from bandmate_server.model.library.choice import check_task
from bandmate_server.model.model import Model
from bandmate_server.model.waveform_model import WaveformModel
from bandmate_server.option_kinds import shown

AnyModel = Model | WaveformModel
# A new kind of model is a spec, a class and a row here.
MODELS: dict[str, type[Model] | type[WaveformModel]] = {
    "latent": Model,
    "waveform": WaveformModel,
}


def open_model(
    name: str | Path = "mini", device: str = "auto", threads: int | None = None
) -> AnyModel:
    """Open a bundle for inference.

    Args:
        name: of an installed bundle, or its folder.
        device: a word of `options.DEVICE`.
        threads: of ONNX Runtime, at most one for each processor; None takes the physical cores.

    Raises:
        BundleError: naming the file that is missing, damaged, swapped or of other shapes.
        DeviceError: if the device word is unknown.
        SettingsError: if name or threads are of another kind.
    """
    if not isinstance(name, str | Path):
        raise SettingsError(f"model name is {shown(name)}: expected a name or a path")
    bundle = load_bundle(name)
    return MODELS[bundle.spec.kind](bundle, device, threads)


def open_latent_model(
    name: str | Path = "mini", device: str = "auto", threads: int | None = None
) -> Model:
    """Do what `open_model` does, for a model of latents.

    Raises:
        SettingsError: if it is of another kind.
    """
    return latent_model(open_model(name, device, threads))


def latent_model(model: AnyModel) -> Model:
    """Return a model of latents as what it is.

    Raises:
        SettingsError: if it is of another kind.
    """
    check_task(model.bundle.name, model.spec, "add")
    assert isinstance(model, Model)
    return model
