"""Proof that nothing of the example a graph was traced with is left in it.

An exporter freezes an axis without a word: a batch of 2, ten labels, 60 rows become numbers in some Reshape, and the
graph answers wrongly or fails at another size. So every free axis is traced with a prime of its own that divides no
dimension of the weights. A number in the graph that such a prime divides comes from the example, and from nowhere else.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from lseg_cli.errors import VerificationError

_PRIMES = (
    29,
    31,
    37,
    41,
    43,
    47,
    53,
    59,
    61,
    67,
    71,
    79,
    83,
    89,
    97,
    101,
)  # 73 divides the int64 that means 'to the end'
_FEW = 16  # elements of a tensor that may be numbers of a program rather than weights

Dims = Sequence[int | str]


def free_primes(count: int, dims: Iterable[int]) -> list[int]:
    """The smallest `count` primes of 29 and more that divide none of `dims`.

    Raises:
        VerificationError: there are not so many: a graph of such widths cannot be proved.
    """
    taken = set(dims)
    free = [prime for prime in _PRIMES if all(dim % prime for dim in taken)]
    if len(free) < count:
        raise VerificationError("The model's widths leave no primes to trace its graph with; change one of them.")
    return free[:count]


def check_graph(model: onnx.ModelProto, traced: Mapping[str, int], dims: Mapping[str, Dims]) -> None:
    """Whether a graph is free of its example.

    Args:
        model: the graph.
        traced: for each free axis, such as 'batch', the prime it was traced with.
        dims: for each input and output its dimensions, a name where an axis is free.

    Raises:
        VerificationError: a constant of the example, or an axis that is fixed or free against the wish.
    """
    for where, number in _numbers(model.graph):
        for axis, prime in traced.items():
            if number and number % prime == 0:
                raise VerificationError(
                    f"The exported graph holds the {axis} of the example it was traced with ({number:g} in {where}); "
                    "it would be wrong for any other. This is a bug of the exporter or of the model's code."
                )
    for value in (*model.graph.input, *model.graph.output):
        found, wanted = _dims(value), list(dims[value.name])
        # The exporter calls a free axis what it likes, such as '32*s25'.
        pattern = ["free" if isinstance(dim, str) else dim for dim in found]
        if pattern != ["free" if isinstance(dim, str) else dim for dim in wanted]:
            raise VerificationError(f"{value.name} of the exported graph has the shape {found}; it must have {wanted}.")


def _dims(value: onnx.ValueInfoProto) -> list[int | str]:
    return [dim.dim_param or int(dim.dim_value) for dim in value.type.tensor_type.shape.dim]


def _numbers(graph: onnx.GraphProto) -> Iterator[tuple[str, float]]:
    """Every number of a graph that could be a size, with the place it stands at."""
    for tensor in graph.initializer:
        for number in _of_tensor(tensor):
            yield f"the constant {tensor.name}", number
    for node in graph.node:
        for attribute in node.attribute:
            where = f"{node.op_type} {node.name}, {attribute.name}"
            numbers = [*attribute.ints, attribute.i, *attribute.floats, attribute.f, *_of_tensor(attribute.t)]
            yield from ((where, number) for number in numbers)


def _of_tensor(tensor: onnx.TensorProto) -> list[float]:
    """The sides of a tensor; and its elements if they are few: many are weights, or a table such as 0, 1, 2, ..."""
    sides = [float(side) for side in tensor.dims]
    if tensor.data_type == onnx.TensorProto.UNDEFINED or np.prod(tensor.dims) > _FEW:
        return sides
    values: NDArray[np.generic] = numpy_helper.to_array(tensor)
    return sides + [float(value) for value in values.ravel().tolist() if abs(value) < 2**31]  # beyond: 'to the end'
