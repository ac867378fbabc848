"""What differs between the ways in which a model can be conditioned.

A bundle's spec names one; a new way is a row of CONDITIONINGS.
"""

from __future__ import annotations

from dataclasses import dataclass

from bandmate_server.errors import BundleError
from bandmate_server.spec import ModelSpec


@dataclass(frozen=True)
class ConditioningRules:
    """How the engine treats a model that is conditioned in one way.

    takes_stems: given stems, their mask and the kind of the mixture are inputs of the network;
        else given stems replace the sampled ones at every step (inpainting).
    draws_mixture: the mixture's latent is drawn from its posterior, as it was in training.
    matches_level: audio is brought to the level that the model knows; else it stays as it is.
    published_steps: timesteps are the published system's, from 1 up; else from the last one down.
    eta: of DDIM where neither settings nor bundle name one.
    """

    takes_stems: bool
    draws_mixture: bool
    matches_level: bool
    published_steps: bool
    eta: float


CONDITIONINGS = {
    "learnt": ConditioningRules(
        takes_stems=True, draws_mixture=False, matches_level=True, published_steps=False, eta=0.0
    ),
    "mixture": ConditioningRules(
        takes_stems=False, draws_mixture=True, matches_level=False, published_steps=True, eta=1.0
    ),
}


def rules_of(spec: ModelSpec) -> ConditioningRules:
    """Return the rules of a model's conditioning.

    Raises:
        BundleError: if it is of a kind that this version does not know.
    """
    try:
        return CONDITIONINGS[spec.conditioning]
    except KeyError as error:
        known = ", ".join(CONDITIONINGS)
        raise BundleError(
            f"{spec.name}: conditioning {spec.conditioning!r}: expected one of {known}"
        ) from error
