"""The graphs of the networks on notes compute what the networks do, at several sizes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import soundfile
import torch
from torch import nn

from bandmate_bridge.cli import main as bandmate
from bandmate_export.cli import main
from bandmate_export.notes.denoiser import denoise, denoiser_graph
from bandmate_export.notes.encoder import NoteEncoder, encoder_graph
from bandmate_export.notes.sound import decode, decoder_graph
from bandmate_export.parity import Case, inputs
from bandmate_export.weights import Precision, rounded
from bandmate_server import PartSettings, add
from bandmate_server.errors import OutputError
from bandmate_server.model.graphs import graph_shapes
from bandmate_server.model.notes.midi import read_notes
from bandmate_server.model.notes.score import Score, cut_scores
from bandmate_server.model.notes.tempo import Pulse
from bandmate_server.model.opening import open_latent_model
from bandmate_server.parts.files import add_files, fill_file, vary_file
from bandmate_server.parts.part import decide_sampling
from bandmate_server.spec import NOTES
from bandmate_training.networks.mel import LogMel
from bandmate_training.notes.config import (
    NoteDecoderConfig,
    NoteDenoiserConfig,
    TranscriberConfig,
)
from bandmate_training.notes.networks.network import NoteDenoiser
from bandmate_training.notes.networks.sound import NoteDecoder
from bandmate_training.notes.networks.transcriber import Transcriber

CASES = (Case(1, 8), Case(3, 24), Case(1, 256), Case(2, 40, 2))
FloatArray = np.ndarray[tuple[int, ...], np.dtype[np.float32]]
LIMIT = 1e-4


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    torch.manual_seed(0)
    with torch.no_grad():
        yield


def shaken(module: nn.Module) -> nn.Module:
    """Give every weight a value, so that no branch is the identity."""
    for parameter in module.parameters():
        parameter.add_(0.05 * torch.randn_like(parameter))
    for name, buffer in module.named_buffers():
        if name.endswith("running_var"):
            buffer.fill_(0.7)
        elif name.endswith(("running_mean", "prior", "usual")):
            buffer.add_(torch.randn_like(buffer))
    return module.eval().requires_grad_(False)


def run(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Run a graph; its inputs and outputs must be those of the engine's contract."""
    session = onnxruntime.InferenceSession(model.SerializeToString())
    expected = graph_shapes(model.graph.name, NOTES)
    for values, shapes in zip((session.get_inputs(), session.get_outputs()), expected, strict=True):
        assert {value.name for value in values} == set(shapes)
        for value in values:
            fixed = [want for want in zip(value.shape, shapes[value.name], strict=True)
                     if want[1] is not None]  # fmt: skip
            assert all(have == want for have, want in fixed)
    found: list[np.ndarray] = session.run(list(expected[1]), feeds)
    return found


def near(found: np.ndarray, expected: torch.Tensor) -> bool:
    want = expected.numpy()
    assert found.shape == want.shape
    return bool(np.linalg.norm(found - want) <= LIMIT * np.linalg.norm(want))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
def test_the_denoiser_s_graph(case: Case, precision: Precision) -> None:
    network = shaken(NoteDenoiser(NoteDenoiserConfig(64, 2, 32, 2)))
    assert isinstance(network, NoteDenoiser)
    stored = rounded(network, precision)
    feeds = inputs("denoiser", NOTES, case)
    tensors = {k: torch.from_numpy(v) for k, v in feeds.items() if k not in ("level", "sigma")}
    [found] = run(denoiser_graph(stored, NOTES, precision), feeds)
    assert near(found, denoise(stored, **tensors))


def test_a_single_level_without_signal_is_understood() -> None:
    network = shaken(NoteDenoiser(NoteDenoiserConfig(64, 1, 32, 2)))
    assert isinstance(network, NoteDenoiser)
    feeds = inputs("denoiser", NOTES, Case(1, 8))
    feeds["alpha"][:] = 0
    [found] = run(denoiser_graph(network, NOTES, "float32"), feeds)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("case", CASES[:3])
def test_the_decoder_s_graph(case: Case) -> None:
    network = shaken(NoteDecoder(NOTES, NoteDecoderConfig(32, 2, 32, 1, 2, 16)))
    assert isinstance(network, NoteDecoder)
    feeds = inputs("decoder", NOTES, case)
    [found] = run(decoder_graph(network, NOTES, "float32"), feeds)
    assert near(found, decode(network, torch.from_numpy(feeds["latent"])))


@pytest.mark.parametrize("case", CASES[:3])
def test_the_encoder_s_graph(case: Case) -> None:
    timbre = NoteDecoder(NOTES, NoteDecoderConfig(32, 1, 32, 1, 2, 16)).timbre
    network = shaken(NoteEncoder(Transcriber(TranscriberConfig(4, 8, 32, 1, 2)), timbre))
    assert isinstance(network, NoteEncoder)
    feeds = inputs("encoder", NOTES, case)
    expected = network(torch.from_numpy(feeds["wave"]), LogMel(NOTES.mel))
    for have, want in zip(
        run(encoder_graph(network, NOTES, "float32"), feeds), expected, strict=True
    ):
        assert near(have, want)


def checkpoint(path: Path, kind: str, module: nn.Module, config: Any) -> Path:
    state = {"kind": kind, "spec": NOTES.to_json(), "config": asdict(config), "step": 7}
    torch.save({**state, "average": module.state_dict(), "minutes": 1.0, "seed": 0}, path)
    return path


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of tiny networks with random weights."""
    tmp_path = tmp_path_factory.mktemp("notes")
    tiny = NoteDenoiserConfig(64, 1, 32, 2), TranscriberConfig(4, 8, 32, 1, 2)
    sound = NoteDecoderConfig(32, 1, 32, 1, 2, 16)
    torch.manual_seed(0)
    with torch.no_grad():
        encoder = shaken(Transcriber(tiny[1]))
        encoder.get_parameter("seldom").add_(4)  # It finds notes anywhere.
        made = [
            checkpoint(tmp_path / "a.pt", "note-denoiser", shaken(NoteDenoiser(tiny[0])), tiny[0]),
            checkpoint(tmp_path / "b.pt", "note-encoder", encoder, tiny[1]),
            checkpoint(tmp_path / "c.pt", "note-decoder", shaken(NoteDecoder(NOTES, sound)), sound),
        ]
    out = tmp_path / "bundle"
    assert main([*map(str, made), "--out", str(out), "--half", "--int8", "denoiser"]) == 0
    return out


def test_checkpoints_become_a_bundle_that_makes_parts(bundle: Path) -> None:
    model = open_latent_model(bundle, "cpu")
    assert model.spec == NOTES and model.bundle.mask_speeds == (1.0, 0.93, 1.07)
    assert decide_sampling(model, PartSettings()).steps == 12
    card = (bundle / "MODEL_CARD.md").read_text()
    assert "| encoder |" in card and "| denoiser |" in card
    wave: FloatArray = torch.randn(NOTES.window_samples).mul(0.1).numpy()
    found = add(
        model,
        ("guitar",),
        {"drums": wave},
        sample_rate=NOTES.mel.sample_rate,
        settings=PartSettings(steps=2),
    )
    assert set(found) == {"guitar"}
    assert found["guitar"].shape[0] == len(wave) and np.isfinite(found["guitar"]).all()


def test_a_missing_network_on_notes_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = NoteDenoiserConfig(64, 1, 32, 2)
    made = checkpoint(tmp_path / "a.pt", "note-denoiser", NoteDenoiser(tiny), tiny)
    assert main([str(made), "--out", str(tmp_path / "out")]) == 1
    assert "no checkpoint of the note-encoder and the note-decoder" in capsys.readouterr().err


def played(folder: Path) -> dict[str, Path]:
    """Write three seconds of two stems, with a beat in the drums."""
    rng = np.random.default_rng(0)
    rate, given = 44_100, {}
    for stem in ("drums", "guitar"):
        beat = np.zeros(3 * rate, np.float32)
        for hit in range(0, len(beat), rate // 2):
            beat[hit : hit + 4000] = rng.normal(0, 0.2, 4000) * np.linspace(1, 0, 4000)
        given[stem] = folder / f"{stem}.wav"
        soundfile.write(given[stem], beat, rate, subtype="FLOAT")
    return given


def test_parts_bring_a_midi_file_that_lies_where_the_audio_does(
    bundle: Path, tmp_path: Path
) -> None:
    model, given = open_latent_model(bundle, "cpu"), played(tmp_path)
    chosen = PartSettings(steps=2, drafts=1, start=1.0, end=2.5)
    (added,) = add_files(model, ["bass"], given, tmp_path / "add", settings=chosen)
    (filled,) = fill_file(model, "guitar", given, tmp_path / "fill", settings=chosen)
    for result, stem, begin, end in ((added, "bass", 0, 1.5), (filled, "guitar", 1.0, 2.5)):
        assert result.midi == {stem: result.folder / f"{stem}.mid"}
        assert result.manifest["outputs"][stem]["midi"] == f"{stem}.mid"
        beat, rows = result.manifest["beat"], read_notes(result.midi[stem])
        assert 0 <= beat["first_beat"] < 60 / beat["tempo"] + 1e-3
        assert rows and all(begin - 1e-3 <= row[0] < end and row[1] <= end + 2e-3 for row in rows)


def test_midi_files_are_written_again_with_their_audio(bundle: Path, tmp_path: Path) -> None:
    model, given = open_latent_model(bundle, "cpu"), played(tmp_path)
    out, chosen = tmp_path / "out", PartSettings(steps=2, drafts=1)
    add_files(model, ["bass"], given, out, settings=chosen)
    with pytest.raises(OutputError, match="is there already"):
        add_files(model, ["bass"], given, out, settings=chosen)
    add_files(model, ["piano"], given, out, settings=chosen, force=True)
    assert {path.name for path in out.iterdir()} == {"piano.wav", "piano.mid", "manifest.json"}


def test_a_stem_that_rests_has_an_empty_score(bundle: Path, tmp_path: Path) -> None:
    model, given = open_latent_model(bundle, "cpu"), played(tmp_path)
    soundfile.write(given["guitar"], np.zeros(132_300, np.float32), 44_100)
    chosen = PartSettings(steps=2, drafts=1)
    (result,) = vary_file(model, "guitar", given, tmp_path / "out", strength=0.5, settings=chosen)
    assert read_notes(result.midi["guitar"]) == []


def test_cut_scores_begin_where_the_cut_does(tmp_path: Path) -> None:
    score = Score({"bass": np.array([[0.5, 1, 40, 90], [2, 4, 45, 60]], np.float32)},
                  Pulse(100.0, 0.1))  # fmt: skip
    score.write("bass", tmp_path / "bass.mid", 5.0)
    beat = cut_scores({"bass": tmp_path / "bass.mid"}, score.describe(), 1.5, 2.0)
    (row,) = read_notes(tmp_path / "bass.mid")
    assert row == pytest.approx((0.5, 2.0, 45, 60), abs=2e-3)
    assert beat == {"tempo": 100.0, "first_beat": pytest.approx(0.4, abs=1e-3)}


def test_stems_are_written_down(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stems = tmp_path / "stems"
    stems.mkdir()
    given = played(stems)
    soundfile.write(stems / "other.wav", np.zeros(9, np.float32), 44_100)
    out = tmp_path / "midi"
    line = ["transcribe", str(stems), "--out", str(out), "--model", str(bundle), "--device=cpu"]
    assert bandmate([*line, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["midi"] == {stem: str(out / f"{stem}.mid") for stem in given}
    for stem in given:
        rows = read_notes(out / f"{stem}.mid")
        assert len(rows) == report["manifest"]["outputs"][stem]["notes"] > 0
        assert rows[0][0] >= 0 and rows[-1][0] < 3.0
    assert bandmate(line) == 1
    assert "--force" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["bass=a.wav", "bass=b.wav"], "bass is given twice"),
        (["song.wav"], "does not say which stem"),
        (["{empty}"], "holds no files called bass, drums, guitar, piano"),
    ],
)
def test_what_cannot_be_written_down_is_named(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], given: list[str], words: str
) -> None:
    files = [text.format(empty=tmp_path) for text in given]
    line = ["transcribe", *files, "--out", str(tmp_path / "out"), "--model", str(bundle)]
    assert bandmate(line) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_model_without_notes_cannot_write_them_down(
    fake_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (given, *_) = played(tmp_path).values()
    line = ["transcribe", str(given), "--out", str(tmp_path / "out"), "--model", str(fake_bundle)]
    assert bandmate(line) == 2
    assert "fake does not know notes" in capsys.readouterr().err
