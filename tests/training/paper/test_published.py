"""Published files become networks, or an error that names every weight that is wrong."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from bandmate_server.errors import CheckpointError
from bandmate_training.paper.files import sort_files
from bandmate_training.paper.published import load_published
from bandmate_training.paper.unet import UNet
from bandmate_training.paper.vae import Vae
from bandmate_training.paper.vocoder import Vocoder

Expected = tuple[UNet, Vae, Vocoder]
Save = Callable[..., Path]
NAME = "model.diffusion_model.input_blocks.4.0.in_layers.2.weight"
SHADOW = "model_ema.diffusion_modelinput_blocks40in_layers2weight"


def same(one: nn.Module, other: nn.Module, tolerance: float = 0.0) -> None:
    for (name, a), b in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance, msg=name)


def test_a_whole_checkpoint_gives_the_averaged_networks(
    checkpoint: Path, expected: Expected
) -> None:
    found = load_published(checkpoint)
    assert found.scale_factor == pytest.approx(0.9227)
    same(found.unet, expected[0])
    same(found.vae, expected[1])
    same(found.vocoder, expected[2], 1e-6)


def test_three_files_give_the_same_networks(parts: dict[str, Path], expected: Expected) -> None:
    found = load_published(parts["unet"], vae=parts["vae"], vocoder=parts["hifigan"])
    for network, wanted in zip((found.unet, found.vae, found.vocoder), expected, strict=True):
        same(network, wanted, 1e-6)


def test_the_networks_do_what_their_signatures_say(checkpoint: Path) -> None:
    found = load_published(checkpoint)
    x, level = torch.randn(2, 4, 8, 16, 16), torch.tensor([3, 990])
    assert found.unet(x, level, torch.randn(2, 8, 16, 16)).shape == x.shape
    none, zeros = (found.unet(x, level, c) for c in (None, torch.zeros(2, 8, 16, 16)))
    torch.testing.assert_close(none, zeros)
    assert found.vae.encode(torch.randn(1, 1, 64, 64)).shape == (1, 16, 16, 16)
    assert found.vae.decode(torch.randn(1, 8, 16, 16)).shape == (1, 1, 64, 64)
    assert found.vocoder(torch.randn(1, 64, 7)).shape == (1, 1, 160 * 7 + 32)


def test_the_last_weights_are_taken_on_request(checkpoint: Path, expected: Expected) -> None:
    found = load_published(checkpoint, ema=False)
    for a, b in zip(found.unet.parameters(), expected[0].parameters(), strict=True):
        torch.testing.assert_close(a, b + 1)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_averages_in_half_precision_are_cast(
    state: dict[str, Tensor], save: Save, kind: torch.dtype
) -> None:
    for name in [n for n in state if n.startswith("model_ema.diffusion")]:
        state[name] = state[name].to(kind)
    found = load_published(save(state))
    assert {p.dtype for p in found.unet.parameters()} == {torch.float32}
    weight = found.unet.input_blocks[4].residual.first.weight  # type: ignore[union-attr]
    torch.testing.assert_close(weight, state[SHADOW].float())


def test_missing_surplus_and_misshapen_weights_are_all_named(
    state: dict[str, Tensor], save: Save
) -> None:
    del state["model.diffusion_model.out.2.bias"]
    del state["first_stage_model.encoder.mid.attn_1.q.weight"]
    state["model.diffusion_model.extra.weight"] = torch.zeros(3)
    state["something_else"] = torch.zeros(3)
    state[NAME] = state[NAME][:, :, :1]
    state["first_stage_model.vocoder.ups.1.bias"] = torch.zeros(5)
    with pytest.raises(CheckpointError) as error:
        load_published(save(state))
    text = str(error.value)
    for line in (
        "missing: model.diffusion_model.out.2.bias",
        "missing: first_stage_model.encoder.mid.attn_1.q.weight",
        "surplus: model.diffusion_model.extra.weight",
        "surplus: something_else",
        f"misshapen: {NAME} [64, 32, 1, 3, 3] instead of [64, 32, 3, 3, 3]",
        "misshapen: first_stage_model.vocoder.ups.1.bias [5] instead of [16]",
    ):
        assert line in text, text


def test_a_missing_average_is_named(state: dict[str, Tensor], save: Save) -> None:
    del state[SHADOW]
    with pytest.raises(CheckpointError, match=f"missing: {SHADOW}"):
        load_published(save(state))


def test_a_checkpoint_without_averages_says_what_to_do(
    state: dict[str, Tensor], save: Save
) -> None:
    plain = {k: v for k, v in state.items() if not k.startswith("model_ema.")}
    with pytest.raises(CheckpointError, match="ema=False"):
        load_published(save(plain))
    load_published(save(plain), ema=False)


def test_what_is_not_inside_is_asked_for(parts: dict[str, Path]) -> None:
    with pytest.raises(CheckpointError, match="no VAE inside"):
        load_published(parts["unet"])
    with pytest.raises(CheckpointError, match="no vocoder inside"):
        load_published(parts["unet"], vae=parts["vae"])


class Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.mark),)


def test_a_checkpoint_that_would_run_code_is_refused(
    state: dict[str, Tensor], save: Save, tmp_path: Path
) -> None:
    path = save(state, callbacks=Evil(tmp_path / "mark"))
    with pytest.raises(CheckpointError, match=r"refused, as reading it would run code.*mkdir"):
        load_published(path)
    assert not (tmp_path / "mark").exists()


def test_a_weight_that_is_not_finite_is_named(state: dict[str, Tensor], save: Save) -> None:
    state[SHADOW] = state[SHADOW] * float("nan")
    with pytest.raises(CheckpointError, match=r"not finite: input_blocks\.4"):
        load_published(save(state))


def test_a_damaged_file_is_no_checkpoint(tmp_path: Path, checkpoint: Path) -> None:
    (tmp_path / "half.ckpt").write_bytes(checkpoint.read_bytes()[:100_000])
    for name, words in (("half.ckpt", "not a readable checkpoint"), ("none.ckpt", "no such file")):
        with pytest.raises(CheckpointError, match=words):
            load_published(tmp_path / name)


def test_files_are_told_apart_in_any_order(parts: dict[str, Path]) -> None:
    found = sort_files([parts["hifigan"], parts["unet"], parts["vae"]])
    names = {"checkpoint": "unet", "vae": "vae", "vocoder": "hifigan"}
    assert found == {kind: parts[name] for kind, name in names.items()}
    with pytest.raises(CheckpointError, match="a second vae"):
        sort_files([parts["vae"], parts["unet"], parts["vae"]])
    with pytest.raises(CheckpointError, match="none of the files is a checkpoint"):
        sort_files([parts["vae"]])
