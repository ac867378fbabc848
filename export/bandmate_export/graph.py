"""Write an ONNX graph node by node, its weights named as torch names them.

The graphs are written by hand, not traced: every shape but batch and time is known, so no
shape arithmetic stands between the layers, and a file depends on nothing but the weights.
`parity.py` compares each with its network.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from bandmate_export.storage import LARGEST_WHOLE, weight_bytes
from bandmate_export.weights import Precision, channel_scales, codes, stored_as
from bandmate_server.model.bundle import METADATA_KEY
from bandmate_server.spec import AnySpec
from bandmate_training.networks.weights import SCALE_PREFIX

OPSET = 20  # of ai.onnx
CONTRIB = "com.microsoft"  # ONNX Runtime's own operators, there on every provider
IR_VERSION = 9  # what came with that opset

Attribute = int | float | str | Sequence[int]
Shape = Sequence[int | str]


class Graph:
    """An ONNX graph in the making; values are handed around by name."""

    def __init__(self, name: str, prefix: str, network: nn.Module, precision: Precision) -> None:
        """Begin a graph.

        Args:
            name: of the graph, also in the metadata.
            prefix: put before the network's parameter names, with a dot.
            network: whose parameters the layers take.
            precision: of large weights as stored; what brings them back is done once, at load.
        """
        self.name, self.precision = name, precision
        self._paths = {module: (prefix, path) for path, module in network.named_modules()}
        self._nodes: list[onnx.NodeProto] = []
        self._initialisers: dict[str, onnx.TensorProto] = {}
        self._parameters: dict[str, str] = {}
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def op(self, kind: str, *inputs: str, **attributes: Attribute) -> str:
        """Add a node with one output; return the output's name."""
        return self._node(kind, inputs, 1, attributes)[0]

    def contrib(self, kind: str, *inputs: str, **attributes: Attribute) -> str:
        """Add a node of ONNX Runtime's own, with one output; return the output's name."""
        name = self.op(kind, *inputs, **attributes)
        self._nodes[-1].domain = CONTRIB
        return name

    def split(self, x: str, count: int, axis: int) -> list[str]:
        """Split a value into equal parts."""
        return self._node("Split", (x,), count, {"axis": axis, "num_outputs": count})

    def _node(
        self, kind: str, inputs: Sequence[str], outputs: int, attributes: Mapping[str, Attribute]
    ) -> list[str]:
        name = f"{len(self._nodes)}.{kind}"
        values = [name] if outputs == 1 else [f"{name}.{part}" for part in range(outputs)]
        node = helper.make_node(kind, inputs, values, name)
        node.attribute.extend(helper.make_attribute(key, v) for key, v in attributes.items())
        self._nodes.append(node)
        return values

    def constant(self, value: ArrayLike, dtype: type[np.generic] = np.float32) -> str:
        """Store an array that is no parameter; equal ones are stored once."""
        array = np.asarray(value, dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            name = f"constant.{len(self._constants)}"
            self._constants[key] = name
            self._store(name, array)
        return self._constants[key]

    def integers(self, *values: int) -> str:
        """Store a list of integers: a shape, axes or bounds."""
        return self.constant(values, np.int64)

    def parameter(self, module: nn.Module, name: str) -> str:
        """Return the float32 value of a module's parameter or buffer, stored on first use."""
        path = ".".join(filter(None, (*self._paths[module], name)))
        if path not in self._parameters:
            tensor = getattr(module, name)
            assert isinstance(tensor, Tensor)
            array = tensor.detach().contiguous().float().numpy()
            self._parameters[path] = self._stored(path, array)
        return self._parameters[path]

    def _stored(self, path: str, weight: NDArray[np.float32]) -> str:
        """Store a weight in its precision; return its float32 value."""
        storage = stored_as(weight.shape, self.precision)
        if storage == "float32":
            self._store(path, weight)
            return path
        if storage == "float16":
            self._store(path, weight.astype(np.float16))
            return self.op("Cast", path, to=TensorProto.FLOAT)
        scales = channel_scales(weight)
        self._store(path, codes(weight, scales))
        self._store(SCALE_PREFIX + path, scales)
        return self.op("Mul", self.op("Cast", path, to=TensorProto.FLOAT), SCALE_PREFIX + path)

    def _store(self, name: str, array: NDArray[np.generic]) -> None:
        self._initialisers[name] = numpy_helper.from_array(array, name)

    def reshape(self, x: str, *shape: int) -> str:
        """Reshape a value: 0 keeps the length in that place, -1 is what is left."""
        return self.op("Reshape", x, self.integers(*shape))

    def unsqueeze(self, x: str, *axes: int) -> str:
        """Insert axes of length one."""
        return self.op("Unsqueeze", x, self.integers(*axes))

    def slice(self, x: str, start: str, stop: str, axis: int) -> str:
        """Cut a value along an axis; bounds are values of one integer."""
        return self.op("Slice", x, start, stop, self.integers(axis))

    def length(self, x: str, axis: int) -> str:
        """Return the length (1,) of a value along an axis."""
        return self.op("Shape", x, start=axis, end=axis + 1)

    def model(
        self, spec: AnySpec, inputs: Mapping[str, Shape], outputs: Mapping[str, tuple[str, Shape]]
    ) -> onnx.ModelProto:
        """Return the finished model; the graph gives its weights away.

        A large one is checked when it is written.

        Args:
            spec: goes into the metadata, for the engine to compare.
            inputs: name -> shape, a word for every dynamic length.
            outputs: name -> the value it is, and its shape.
        """
        nodes = [*self._nodes]
        nodes += [
            helper.make_node("Identity", [value], [name], name)
            for name, (value, _) in outputs.items()
        ]
        graph = helper.make_graph(
            nodes,
            self.name,
            [_float32(name, shape) for name, shape in inputs.items()],
            [_float32(name, shape) for name, (_, shape) in outputs.items()],
        )
        model = helper.make_model(
            graph,
            producer_name="bandmate",
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid("", OPSET), *self._foreign()],
        )
        for name in list(self._initialisers):  # One by one: never all of them twice.
            model.graph.initializer.append(self._initialisers.pop(name))
        metadata = {"graph": self.name, "spec": spec.to_json()}
        helper.set_model_props(model, {METADATA_KEY: json.dumps(metadata)})
        if weight_bytes(model) <= LARGEST_WHOLE:
            onnx.checker.check_model(model, full_check=True)
        return model

    def _foreign(self) -> list[onnx.OperatorSetIdProto]:
        """Return the other operator sets that nodes come from."""
        return [helper.make_opsetid(d, 1) for d in sorted({n.domain for n in self._nodes} - {""})]


def _float32(name: str, shape: Shape) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
