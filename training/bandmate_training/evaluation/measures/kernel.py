"""The kernel distance between two sets of embeddings: unbiased, whatever their number."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bandmate_training.evaluation.measures.frechet import Embeddings


def kernel_distance(one: npt.ArrayLike, other: npt.ArrayLike) -> float:
    """Return 1000 times the squared maximum mean discrepancy of two sets.

    The kernel is Gaussian, as wide as the median distance within the other set. The estimate is
    unbiased: about 0, and now and then below, for two sets of one kind.

    Args:
        one: embeddings (vectors, dimensions), at least two.
        other: the reference, of the same dimension, at least two.

    Raises:
        ValueError: if a set is too small or of another dimension.

    Source: Chung et al. 2025 (KAD: no more FAD), eq. 4 and section 3.2; Gretton et al. 2012.
    """
    a, b = np.asarray(one, np.float64), np.asarray(other, np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ValueError(f"expected two sets of embeddings, got shapes {a.shape} and {b.shape}")
    within = _squares(b, b)
    width = float(np.median(within[np.triu_indices(len(b), 1)]))
    scale = -0.5 / max(width, 1e-12)
    own = _mean_off_diagonal(np.exp(scale * _squares(a, a)))
    reference = _mean_off_diagonal(np.exp(scale * within))
    return 1000 * (own + reference - 2 * float(np.exp(scale * _squares(a, b)).mean()))


def _squares(a: Embeddings, b: Embeddings) -> Embeddings:
    """Return the squared distances (a, b) of all pairs."""
    sums = (a**2).sum(1)[:, None] + (b**2).sum(1)[None]
    return np.asarray(np.maximum(sums - 2 * a @ b.T, 0.0))


def _mean_off_diagonal(kernel: Embeddings) -> float:
    count = len(kernel)
    return float((kernel.sum() - np.trace(kernel)) / (count * (count - 1)))
