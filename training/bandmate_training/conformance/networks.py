"""The networks under test, filled by the rule, each made when it is first asked for."""

from __future__ import annotations

from functools import cached_property
from typing import TypeVar

import torch
from torch import nn

from bandmate_training.paper import config
from bandmate_training.paper.deterministic_weights import fill
from bandmate_training.paper.unet import UNet
from bandmate_training.paper.vae import Vae
from bandmate_training.paper.vocoder import Vocoder

Network = TypeVar("Network", bound=nn.Module)


class Networks:
    """U-Net, VAE and vocoder of given widths, with the rule's weights for a salt."""

    def __init__(
        self,
        salt: str,
        unet: config.UNetConfig = config.UNET,
        vae: config.VaeConfig = config.VAE,
        vocoder: config.VocoderConfig = config.VOCODER,
    ) -> None:
        """Note the widths; nothing is made yet."""
        self.salt = salt
        self._configs = (unet, vae, vocoder)

    @cached_property
    def unet(self) -> UNet:
        """The denoiser."""
        with torch.device("meta"):
            network = UNet(self._configs[0])
        return self._filled(network)

    @cached_property
    def vae(self) -> Vae:
        """The autoencoder."""
        with torch.device("meta"):
            network = Vae(self._configs[1])
        return self._filled(network)

    @cached_property
    def vocoder(self) -> Vocoder:
        """The vocoder."""
        with torch.device("meta"):
            network = Vocoder(self._configs[2])
        return self._filled(network)

    def _filled(self, network: Network) -> Network:
        fill(network, self.salt)
        return network
