"""The timesteps that a number of sampling steps goes through."""

from __future__ import annotations

from bandmate_server.diffusion.sampler import SolverStep, reference_steps, trailing_steps
from bandmate_server.model.conditioning import rules_of
from bandmate_server.model.model import Model


def sampling_steps(model: Model, count: int, highest: int | None = None) -> list[SolverStep]:
    """Return the steps that suit the model, the paper's own or trailing, from a level down.

    Args:
        model: any.
        count: of steps.
        highest: the level to start at; None is the last.
    """
    if not rules_of(model.spec).published_steps:
        return trailing_steps(model.alphas, count, highest)
    steps = reference_steps(model.alphas, count)
    if highest is None:
        return steps
    return [step for step in steps if step.timestep <= highest] or steps[-1:]
