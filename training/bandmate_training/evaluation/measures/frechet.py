"""The Frechet distance between two sets of embeddings."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Embeddings = npt.NDArray[np.float64]


def frechet_distance(one: npt.ArrayLike, other: npt.ArrayLike) -> float:
    """Return the squared Frechet distance between Gaussians fitted to two sets, in float64.

    The trace of (A B)^(1/2) for covariances A = X^T X, B = Y^T Y is the sum of the singular
    values of X Y^T. That needs no matrix square root, so it is as exact for sets smaller than
    their dimension, whose covariances are singular, and never negative but by rounding.

    Args:
        one: embeddings (vectors, dimensions), at least two.
        other: embeddings of the same dimension, at least two.

    Raises:
        ValueError: if a set is too small, or of another dimension, or not finite.

    Source: Kilgour et al. 2019 (Frechet audio distance), eq. 1; covariances over n - 1.
    """
    a, b = _checked(one), _checked(other)
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"expected sets of one dimension, got {a.shape[1]} and {b.shape[1]}")
    x, y = _spread(a), _spread(b)
    means = float(np.sum((a.mean(axis=0) - b.mean(axis=0)) ** 2))
    shared = float(np.linalg.svd(x @ y.T, compute_uv=False).sum())
    return max(means + float(np.sum(x**2)) + float(np.sum(y**2)) - 2 * shared, 0.0)


def _checked(values: npt.ArrayLike) -> Embeddings:
    array = np.asarray(values, np.float64)
    if array.ndim != 2 or len(array) < 2:
        raise ValueError(f"expected embeddings (2 or more, dimensions), got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError("the embeddings are not all finite")
    return array


def _spread(array: Embeddings) -> Embeddings:
    """Return R (at most dimensions, dimensions) whose R^T R is the covariance."""
    centred = (array - array.mean(axis=0)) / np.sqrt(len(array) - 1)
    return np.asarray(np.linalg.qr(centred, mode="r"), np.float64)
