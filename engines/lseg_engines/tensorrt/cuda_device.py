"""A GPU's memory and a stream of our own, through PyTorch: what TensorRT is handed addresses of."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lseg_cli.errors import MissingError
from lseg_engines.doctor.nvidia_driver import Gpu, find_gpus


class CudaDevice:
    """One GPU.

    Attributes:
        name: such as 'cuda:0'.
        gpu: what it is.
        stream: the handle of the stream on which all happens; never the default one, which would wait for everything.
    """

    def __init__(self, name: str = "auto") -> None:
        """Takes a GPU by its name.

        Args:
            name: 'auto' (the first), 'cuda' or 'cuda:1'.

        Raises:
            MissingError: it is not there, or this PyTorch cannot use it.
        """
        gpus = find_gpus()
        wanted = "cuda:0" if name in ("auto", "cuda") else name
        here = [f"cuda:{index}" for index in range(len(gpus))]
        if not gpus:
            raise MissingError(
                "A TensorRT engine runs on an NVIDIA GPU, and none was found; take the .onnx file or the model itself."
            )
        if wanted not in here:
            raise MissingError(
                f"A TensorRT engine cannot run on the device {name!r}; available are {', '.join(here)}: choose one "
                "with --device."
            )
        if not torch.cuda.is_available():
            raise MissingError(
                f"This PyTorch ({torch.__version__}) cannot use {gpus[0].name}; install one that was built for CUDA."
            )
        self.name = wanted
        self.gpu: Gpu = gpus[here.index(wanted)]
        self._device = torch.device(wanted)
        self._stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]  # PyTorch names no types here
        self.stream = int(self._stream.cuda_stream)

    @contextmanager
    def active(self) -> Iterator[None]:
        """All that PyTorch and TensorRT do inside is done on this GPU and on its stream."""
        with torch.inference_mode(), torch.cuda.device(self._device), torch.cuda.stream(self._stream):
            yield

    def empty(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Memory for a tensor."""
        return torch.empty(shape, dtype=dtype, device=self._device)

    def capture(self, enqueue: Callable[[], bool]) -> Callable[[], None] | None:
        """What `enqueue` puts on the stream, as a graph to launch again; None if it cannot be captured."""
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
                is_done = enqueue()
        except RuntimeError:
            return None
        return graph.replay if is_done else None

    def fetch(self, tensors: dict[str, Tensor]) -> dict[str, NDArray[np.generic]]:
        """Copies of tensors on the host, made once all that was put on the stream is done."""
        copies = {}
        for name, tensor in tensors.items():
            copies[name] = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
            copies[name].copy_(tensor, non_blocking=True)
        self._stream.synchronize()
        return {name: copy.numpy() for name, copy in copies.items()}
