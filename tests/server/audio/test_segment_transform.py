"""A segment's spectrum and back, compared with torch's transforms and the reference's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.audio.segment_transform import analyse, synthesise
from bandmate_server.spec import TransformSpec

ATOL = 1e-4  # of spectra whose cells are about 3 large; waves are about 0.1


def noise(*shape: int) -> FloatArray:
    return 0.1 * np.random.default_rng(len(shape)).standard_normal(shape, np.float32)


def as_parts(spectrum: torch.Tensor) -> FloatArray:
    found: FloatArray = torch.view_as_real(spectrum).permute(0, 3, 1, 2).flatten(0, 1).numpy()
    return found


def as_complex(spectra: FloatArray) -> torch.Tensor:
    """Return spectra (S, 2C, bins, T) as complex (S, C, bins, T)."""
    stems, parts, bins, frames = spectra.shape
    pairs = spectra.reshape(stems, parts // 2, 2, bins, frames).transpose(0, 1, 3, 4, 2)
    return torch.view_as_complex(torch.from_numpy(np.ascontiguousarray(pairs)))


@pytest.mark.parametrize("samples", [4_410, 8_917])
@pytest.mark.parametrize("hop", [441, 512])
def test_transform_is_that_of_torch(samples: int, hop: int) -> None:
    spec = TransformSpec(2048, hop, samples // hop + 1, lead=1024, bins=1025)
    window, wave = torch.hann_window(2048), noise(2, samples)
    expected = torch.stft(torch.from_numpy(wave), 2048, hop, window=window, return_complex=True)
    np.testing.assert_allclose(analyse(wave, spec), as_parts(expected), atol=ATOL)
    spectra = noise(3, 4, 1025, spec.frames)
    length = (spec.frames - 1) * hop
    back = torch.istft(as_complex(spectra).flatten(0, 1), 2048, hop, window=window)
    found = synthesise(spectra, spec, length)
    np.testing.assert_allclose(found, back.reshape(3, 2, -1).numpy(), atol=1e-6)


@pytest.mark.parametrize("samples", [20_480, 22_087])
def test_transform_is_that_of_htdemucs(samples: int) -> None:
    package = pytest.importorskip("demucs.htdemucs", reason="the reference is not here")
    reference = package.HTDemucs(["a"], channels=8, t_layers=0)
    spec = TransformSpec(4096, 1024, -(-samples // 1024), 1536, 2048, spare_frames=2, unitary=True)
    wave = noise(2, samples)
    expected = reference._magnitude(reference._spec(torch.from_numpy(wave)[None]))[0].numpy()
    np.testing.assert_allclose(analyse(wave, spec), expected, atol=1e-6)
    spectra = noise(3, 4, 2048, spec.frames)
    back = reference._ispec(as_complex(spectra), samples).numpy()
    found = synthesise(spectra, spec, samples)
    np.testing.assert_allclose(found, back, atol=1e-6 * float(np.abs(back).max() + 1))


def test_a_segment_that_is_too_short_to_be_reflected_is_refused() -> None:
    with pytest.raises(ValueError, match="1000 samples are too few"):
        analyse(noise(1, 1000), TransformSpec(2048, 512, 2, 1024, 1025))
