"""The noise schedule: how much signal is left at every timestep."""

from __future__ import annotations

import math

import numpy as np

from bandmate_server.audio.arrays import FloatArray
from bandmate_server.spec import ScheduleSpec


def cumulative_alphas(schedule: ScheduleSpec) -> FloatArray:
    """Return abar of every training step (steps,), rounded to float32.

    Source: the published configuration, beta linear in its square root; of the rescaling, Lin
    et al. 2024, "Common diffusion noise schedules and sample steps are flawed", algorithm 1.
    """
    ends = math.sqrt(schedule.beta_start), math.sqrt(schedule.beta_end)
    roots = np.linspace(*ends, schedule.steps)
    alphas = np.cumprod(1.0 - roots**2)
    if schedule.rescaled:
        signal = np.sqrt(alphas)
        alphas = ((signal - signal[-1]) * signal[0] / (signal[0] - signal[-1])) ** 2
    return alphas.astype(np.float32)
