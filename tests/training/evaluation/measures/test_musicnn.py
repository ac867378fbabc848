"""musicnn's weights and network: read without TensorFlow, and hearing what is there."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile as sf

from bandmate_server.errors import SettingsError
from bandmate_training.evaluation.measures import musicnn
from bandmate_training.evaluation.measures.frechet import frechet_distance
from bandmate_training.evaluation.measures.musicnn import Musicnn
from bandmate_training.evaluation.measures.tensor_bundle import read_tensors
from bandmate_training.evaluation.songs.excerpts import mono

EXAMPLE = Path(__file__).parents[4] / "examples" / "late-bus-stems"
MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")


@pytest.fixture(scope="module")
def network() -> Musicnn:
    if musicnn.find_weights() is None:
        pytest.skip(f"musicnn's weights are not installed: {musicnn.INSTALL}")
    return Musicnn()


def read(path: Path, seconds: float) -> npt.NDArray[np.float32]:
    wave, rate = sf.read(path, int(seconds * sf.info(path).samplerate), always_2d=True)
    return mono(wave.astype(np.float32), rate, int(seconds * 16_000))


def block(entries: list[tuple[int, bytes, bytes]]) -> bytes:
    """Return a table's block of entries (shared, rest of key, value), and its trailer."""
    body = b"".join(bytes([shared, len(key), len(v)]) + key + v for shared, key, v in entries)
    return body + struct.pack("<II", 0, 1) + b"\0" + bytes(4)


def small_bundle() -> tuple[bytes, bytes]:
    """Return index and data of two tensors whose names share a prefix."""
    data = np.arange(7, dtype="<f4").tobytes()
    # dtype 1; shape: dimensions 2 and 3, or 1; offset; size.
    matrix = b"\x08\x01\x12\x08\x12\x02\x08\x02\x12\x02\x08\x03\x28\x18"
    vector = b"\x08\x01\x12\x04\x12\x02\x08\x01\x20\x18\x28\x04"
    content = block([(0, b"", b"\x08\x01"), (0, b"net/a", matrix), (4, b"b", vector)])
    pointer = bytes([0, len(content) - 5])
    index = block([(0, b"z", pointer)])
    footer = bytes([0, 0, len(content), len(index) - 5]).ljust(40, b"\0") + MAGIC
    return content + index + footer, data


def test_tensors_of_a_bundle_come_out_with_names_and_shapes() -> None:
    tensors = read_tensors(*small_bundle())
    assert sorted(tensors) == ["net/a", "net/b"]
    np.testing.assert_array_equal(tensors["net/a"], np.arange(6).reshape(2, 3))
    np.testing.assert_array_equal(tensors["net/b"], [6])


def test_a_damaged_bundle_is_refused() -> None:
    index, data = small_bundle()
    with pytest.raises(ValueError, match="not that of a TensorFlow checkpoint"):
        read_tensors(index[:-1], data)
    with pytest.raises(ValueError, match=r"net/b: expected \[1\]"):
        read_tensors(index, data[:-4])


def test_tags_name_the_instruments_that_play(network: Musicnn) -> None:
    heard = {}
    for stem in ("drums", "guitar", "piano"):
        heard[stem] = network.tags(read(EXAMPLE / f"{stem}.flac", 3.1))
    assert heard["drums"]["drums"] == max(tags["drums"] for tags in heard.values())
    assert heard["drums"]["drums"] > 0.2


def test_embedding_is_that_of_the_paper_s_size_and_does_not_hear_where_a_clip_is_cut(
    network: Musicnn,
) -> None:
    rng = np.random.default_rng(0)
    noise = (0.1 * rng.standard_normal(48_128)).astype(np.float32)
    found = network.embed(noise)
    assert found.shape == (1, 200)
    assert network.embed(noise[:1000]).shape == (1, 200)  # repeated up to a patch
    tone = np.sin(np.arange(48_128) * 0.1).astype(np.float32)
    near = network.embed((0.1 * rng.standard_normal(48_128)).astype(np.float32))
    assert np.square(near - found).sum() < 0.2 * np.square(network.embed(tone) - found).sum()


def test_network_gives_what_the_original_gives_in_tensorflow(network: Musicnn) -> None:
    """The second patch, by musicnn's own code on TensorFlow 2.15 and librosa."""
    found = network.embed(read(EXAMPLE.parent / "late-bus.flac", 8.0))[1]
    expected = [1.9929, -0.0329, 2.1089, -0.1861, -0.0787, 0.8936, -0.1058, 0.5733]
    np.testing.assert_allclose(found[:8], expected, rtol=0, atol=2e-3)
    assert np.linalg.norm(found) == pytest.approx(9.9523, rel=1e-3)


def test_weights_that_are_not_there_or_not_its_own_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="pip install --no-deps musicnn"):
        Musicnn(tmp_path)
    (tmp_path / musicnn.DATA).write_bytes(b"other")
    with pytest.raises(SettingsError, match=r"not that of musicnn 0\.1\.0"):
        Musicnn(tmp_path)


def test_distance_grows_with_noise_on_real_music(network: Musicnn) -> None:
    music = read(EXAMPLE.parent / "late-bus.flac", 8.0)
    noise = 0.05 * np.random.default_rng(0).standard_normal(len(music)).astype(np.float32)
    true = network.embed(music)
    assert len(true) > 2
    little, much = (frechet_distance(true, network.embed(music + g * noise)) for g in (0.1, 2.0))
    assert little < 0.5 * much
