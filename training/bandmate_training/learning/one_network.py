"""What tasks share that train one network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, ClassVar, Generic, TypeVar

from torch import nn

from bandmate_server.spec import ModelSpec

Network = TypeVar("Network", bound=nn.Module)


class OneNetworkTask(Generic[Network]):
    """A task whose one network is described by a spec and its sizes; see `TrainingTask`.

    kind: what its checkpoints are called.
    module: the network's name among the trained modules.
    network: what `update` runs: the model, or DDP around it.
    """

    kind: ClassVar[str]
    module: ClassVar[str]

    def __init__(self, spec: ModelSpec, config: Any, model: Network) -> None:
        """Keep the network with its spec and its sizes, a dataclass."""
        self.spec, self.config, self.model = spec, config, model
        self.network: nn.Module = model

    def header(self) -> dict[str, Any]:
        """Describe the network."""
        return {"kind": self.kind, "spec": self.spec.to_json(), "config": asdict(self.config)}

    def modules(self) -> dict[str, nn.Module]:
        """Return the one module that is trained."""
        return {self.module: self.model}

    def wrap(self, parallel: Callable[[nn.Module], nn.Module]) -> None:
        """Send gradients through DDP."""
        self.network = parallel(self.model)

    def finish(self, model: nn.Module) -> None:
        """Nothing is measured at the end."""
