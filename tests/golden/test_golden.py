"""The same seeds give the same sound as when golden.json was written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import bandmate_server
from bandmate_bridge.client import connect
from bandmate_server import PartSettings, SeparateSettings
from bandmate_server.audio.arrays import FloatArray
from bandmate_server.model.model import Model

EXAMPLES = Path(__file__).parents[2] / "examples"
RATE = 16_000  # Hz
FRAMES = 3 * RATE
STEMS = ("bass", "drums", "guitar", "piano")
FOLDER_MODEL = ("--model", "fake", "--device", "cpu", "--threads", "1")

Golden = Callable[..., None]


def band() -> dict[str, FloatArray]:
    """Return three seconds of the example's stems (frames, 1)."""
    found: dict[str, FloatArray] = {}
    for stem in STEMS:
        path = EXAMPLES / "late-bus-stems" / f"{stem}.flac"
        audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
        found[stem] = audio[2 * rate :: rate // RATE][:FRAMES, :1]
        assert len(found[stem]) == FRAMES
    return found


def mixture() -> FloatArray:
    """Return all of them, the guitar left and the piano right (frames, 2)."""
    stems, noise = band(), np.random.default_rng(3).standard_normal((FRAMES, 2))
    sides = {"bass": (1, 1), "drums": (1, 1), "guitar": (1, 0.2), "piano": (0.2, 1)}
    mix = sum(stems[stem] * np.array(gains) for stem, gains in sides.items()) + 1e-3 * noise
    return np.asarray(mix, np.float32)


def given(*stems: str) -> dict[str, FloatArray]:
    return {stem: audio for stem, audio in band().items() if stem in stems}


@pytest.fixture(params=["fake", "paper", "mini"])
def any_model(request: pytest.FixtureRequest) -> Any:
    names = {"fake": "model", "paper": "paper_model", "mini": "mini"}
    return request.getfixturevalue(names[request.param])


def test_separation(any_model: Model, golden: Golden) -> None:
    golden(
        **bandmate_server.separate(
            any_model, mixture(), sample_rate=RATE, settings=SeparateSettings()
        )
    )


@pytest.mark.parametrize("solver", ["ddim", "dpm"])
def test_separation_by_diffusion(mini: Model, golden: Golden, solver: Any) -> None:
    settings = SeparateSettings(steps=2, solver=solver, guidance=1.5, seed=4)
    golden(**bandmate_server.separate(mini, mixture(), sample_rate=RATE, settings=settings))


def test_separation_with_the_vocoder(mini: Model, golden: Golden) -> None:
    settings = SeparateSettings(render="vocoder", steps=1, eta=0.5, stems=("bass", "piano"))
    golden(**bandmate_server.separate(mini, mixture(), sample_rate=RATE, settings=settings))


def test_separation_of_several_windows_at_another_rate(model: Model, golden: Golden) -> None:
    long = np.tile(mixture(), (5, 1))
    golden(
        **bandmate_server.separate(
            model, long, sample_rate=22_050, settings=SeparateSettings(start=1.0, end=10.5)
        )
    )


def test_add(any_model: Model, golden: Golden) -> None:
    settings = PartSettings(steps=2, seed=5)
    golden(
        **bandmate_server.add(
            any_model,
            ("guitar", "piano"),
            given("bass", "drums"),
            sample_rate=RATE,
            settings=settings,
        )
    )


def test_add_the_best_of_drafts_to_a_backing(mini: Model, golden: Golden) -> None:
    settings = PartSettings(steps=2, seed=5, drafts=2, resample=2, solver="ddim", eta=0.5)
    made = bandmate_server.add(
        mini,
        ("bass",),
        given("drums"),
        sample_rate=RATE,
        settings=settings,
        backing=mixture()[:, :1],
    )
    golden(**made)


def test_fill(any_model: Model, golden: Golden) -> None:
    settings = PartSettings(start=1.0, end=2.0, steps=2, seed=6)
    golden(
        bass=bandmate_server.fill(
            any_model, "bass", given("bass", "drums"), sample_rate=RATE, settings=settings
        )
    )


def test_vary(any_model: Model, golden: Golden) -> None:
    settings = PartSettings(steps=4, seed=7)
    golden(
        piano=bandmate_server.vary(
            any_model,
            "piano",
            given("piano", "drums"),
            strength=0.5,
            sample_rate=RATE,
            settings=settings,
        )
    )


def test_generate(any_model: Model, golden: Golden) -> None:
    golden(
        **bandmate_server.generate(
            any_model, 2.0, settings=PartSettings(steps=2, seed=8), sample_rate=RATE
        )
    )


def read(folder: Path) -> dict[str, FloatArray]:
    return {
        path.stem: soundfile.read(path, dtype="float32", always_2d=True)[0]
        for path in sorted(folder.glob("*.wav"))
    }


@pytest.fixture
def user(fake_bundle: Path, tmp_path: Path) -> dict[str, str]:
    """Return the variables of a user who has only the tiny model."""
    models = tmp_path / "models"
    models.mkdir()
    (models / "fake").symlink_to(fake_bundle, target_is_directory=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BANDMATE_")}
    return {**kept, "HOME": str(tmp_path), "BANDMATE_MODELS": str(models), "OMP_NUM_THREADS": "1"}


def bandmate(user: dict[str, str], folder: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "bandmate_bridge.cli", *arguments, *FOLDER_MODEL, "--quiet"]
    done = subprocess.run(command, cwd=folder, env=user, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr


def test_batch_of_separations(user: dict[str, str], tmp_path: Path, golden: Golden) -> None:
    songs = tmp_path / "songs"
    songs.mkdir()
    soundfile.write(songs / "one.wav", mixture(), RATE, "FLOAT")
    bandmate(user, tmp_path, "batch", "songs", "--out", "out", "--mixdown")
    golden(**read(tmp_path / "out" / "one"))


def test_batch_of_parts(user: dict[str, str], tmp_path: Path, golden: Golden) -> None:
    songs = tmp_path / "songs"
    songs.mkdir()
    soundfile.write(songs / "one.wav", mixture(), RATE, "FLOAT")
    options = "--task add --stems piano --steps 2 --seed 3 --solver dpm --guidance 2"
    bandmate(user, tmp_path, "batch", "songs", "--out", "out", *options.split())
    golden(**read(tmp_path / "out" / "one"))


def test_jobs_of_the_server(user: dict[str, str], tmp_path: Path, golden: Golden) -> None:
    soundfile.write(tmp_path / "song.wav", mixture(), RATE, "FLOAT")
    options = ["--port", "0", "--workdir", "work", "--json", "--allow", str(tmp_path)]
    command = [sys.executable, "-m", "bandmate_bridge.cli", "serve", *options, *FOLDER_MODEL]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            command, cwd=tmp_path, env=user, stdout=subprocess.PIPE, stderr=log, text=True
        )
    assert server.stdout is not None
    try:
        port = json.loads(server.stdout.readline())["port"]
        with connect(port=port, timeout=60.0) as client:
            song = tmp_path / "song.wav"
            separated = client.separate(song, start=RATE // 2, frames=2 * RATE)
            assert client.wait(separated)["state"] == "done"
            added = client.add(["piano"], {"backing": str(song)}, options={"steps": 2, "seed": 9})
            assert client.wait(added)["state"] == "done"
            stems, parts = client.fetch(separated)[0], client.fetch(added)[0]
        golden(**stems, added_piano=parts["piano"])
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60.0)
        server.stdout.close()


def test_exported_graphs(tmp_path: Path, golden: Golden) -> None:
    """The torch side: seeded networks, their graphs' answers, and the graphs' bytes as numbers."""
    torch = pytest.importorskip("torch")
    import onnxruntime

    from bandmate_export import parity
    from bandmate_export.mini.unet import denoiser_graph
    from bandmate_export.mini.vae import decoder_graph
    from bandmate_server.spec import MINI
    from bandmate_training.networks.config import DenoiserConfig, VaeConfig
    from bandmate_training.networks.denoiser import Denoiser
    from bandmate_training.networks.vae import Vae

    vae = Vae(MINI, VaeConfig(width=16, encoder_blocks=1, decoder_blocks=2))
    sizes = DenoiserConfig(
        widths=(32, 64), blocks=1, attention_levels=(1,), head_width=16, embedding=32
    )
    denoiser = Denoiser(MINI, sizes)
    for module in (vae, denoiser):
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for _, tensor in sorted(module.state_dict().items()):
                if tensor.is_floating_point() and tensor.ndim:
                    noise = torch.randn(tensor.shape, generator=generator)
                    tensor.copy_(noise * max(4, tensor[0].numel()) ** -0.5)
    graphs = {
        "decoder": decoder_graph(vae, MINI, "float16"),
        "denoiser": denoiser_graph(denoiser, MINI, "float16"),
    }
    arrays: dict[str, Any] = {}
    for name, graph in graphs.items():
        content = graph.SerializeToString()
        arrays[f"{name}_bytes"] = np.frombuffer(content, np.uint8).astype(np.float32)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        feeds = parity.inputs(name, MINI, parity.Case(1, 16))
        arrays[name] = session.run(None, feeds)[0]
    golden(**arrays)
