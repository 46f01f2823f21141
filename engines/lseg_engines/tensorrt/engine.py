"""The engine that runs a TensorRT engine file, of either flavour, on an NVIDIA GPU.

One execution context, whose shapes change when the pictures' or the labels' number does. What it is given lies in
tensors of PyTorch that are allocated once per shape; from the second run of a shape on, the whole is one CUDA graph.
Only what is asked for comes back: a mask leaves its logits on the GPU.

Few label counts are enough for the engine: it is given some more labels, copies of the first one, up to the next count
of `BUCKETS`. Copies change no other label's logits, for the regulariser's maximum over labels stays the same, which
embeddings of zeros would change. The mask and the confidence are made free of the copies afterwards.
"""

import mmap
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lseg_cli.contract import Output
from lseg_cli.errors import DataError, MemoryFullError, MismatchError
from lseg_cli.model.text.cache import cache_root
from lseg_engines.tensorrt.cuda_device import CudaDevice
from lseg_engines.tensorrt.flavour import Session
from lseg_engines.tensorrt.precision import read_precisions
from lseg_engines.tensorrt.runtime_cache import RuntimeCache
from lseg_engines.tensorrt.sidecar import Sidecar, check_build_id, check_code, check_fits, read_sidecar
from lseg_engines.text_tower import with_tower

BUCKETS = (8, 32, 64, 256)  # numbers of labels; beyond, multiples of the last
BY_LABEL = ("logits", "scores")  # outputs with an axis of labels

Shapes = dict[str, tuple[int, ...]]


class TensorrtEngine:
    """Fulfils `lseg_cli.contract.Engine`."""

    def __init__(self, path: Path, sidecar: Sidecar, session: Session, device: CudaDevice) -> None:
        """Loads the engine; `open` is the usual way in.

        Args:
            path: of the engine.
            sidecar: what is known of it.
            session: of the TensorRT that it was built with.
            device: to run on.

        Raises:
            MismatchError: TensorRT does not load it, or it is not that of the sidecar.
            DataError: the device's memory is full.
        """
        self.precision = sidecar.build.precision
        self.device = device.name
        self._session, self._device = session, device
        self._runtime = session.trt.Runtime(session.log)  # kept: all that follows lives in it
        self._runtime.engine_host_code_allowed = sidecar.build.options.is_version_compatible
        with device.active():
            self._engine = self._load(path)
            check_build_id(sidecar, self._engine.name, path)
            self._cache_file, self._cache, config = self._configure(sidecar)
            self._context = self._engine.create_execution_context(config)
        if self._context is None:
            raise DataError(f"{path} cannot be prepared to run on {device.name}: {session.last_error()}.")
        self._most = {name: self._limits(name)[2] for name in ("image", "text")}
        self._least = {name: self._limits(name)[0] for name in ("image", "text")}
        most = {"max_batch": self._most["image"][0], "max_labels": self._most["text"][0]}
        self.spec = with_tower(sidecar.build.spec.model_copy(update=most), path)
        self._outputs = self._find_outputs()
        self._captures = self._cache is None  # RTX captures by itself
        self._shapes: Shapes = {}
        self._tensors: dict[str, Tensor] = {}
        self._runs = 0  # with these shapes
        self._replay: Any = None

    @classmethod
    def open(cls, path: Path, device: str = "auto", is_ours: bool = False) -> "TensorrtEngine":
        """Opens an engine of `lseg build` or `lseg export`; its sidecar is found beside it.

        Args:
            path: of the `.engine` file.
            device: 'auto' (the first GPU), 'cuda' or 'cuda:1'.
            is_ours: this process built it, so code in it is our own.

        Raises:
            MissingError: its TensorRT is not installed, or there is no such GPU.
            MismatchError: no sidecar, that of another engine, an engine for another TensorRT or GPU, or one with code
                that nobody said to trust.
            DataError: the device's memory is full.
        """
        sidecar = read_sidecar(path)
        gpu = CudaDevice(device)
        session = Session(sidecar.flavour)
        check_fits(sidecar, session.version, gpu.gpu.sm, path)
        if not is_ours:
            check_code(sidecar, path)
        return cls(path, sidecar, session, gpu)

    def run(
        self, image: NDArray[np.uint8], text: NDArray[np.float32], outputs: Collection[Output]
    ) -> dict[str, NDArray[np.generic]]:
        """Shapes as in GraphSpec.

        Raises:
            MismatchError: a shape, width or count that the engine does not take.
            DataError: the device's memory is full, or TensorRT gives up.
        """
        self.spec.check(image, text)
        self._check_size(image)
        unknown = set(outputs) - set(self._outputs)
        if unknown:
            raise MismatchError(f"This engine gives {', '.join(self._outputs)}; not {', '.join(sorted(unknown))}.")
        count = len(text)
        padded = pad_labels(text, self._most["text"][0])
        try:
            with self._device.active():
                self._prepare({"image": image.shape, "text": padded.shape})
                self._tensors["image"].copy_(torch.from_numpy(np.ascontiguousarray(image)))
                self._tensors["text"].copy_(torch.from_numpy(padded))
                self._execute()
                return self._device.fetch({name: self._result(name, count) for name in outputs})
        except torch.OutOfMemoryError as error:
            self._shapes = {}
            raise MemoryFullError(
                f"The memory of {self.device} is full at {image.shape[1]}x{image.shape[2]} pixels with {count} "
                "labels; take a smaller --imgsz or fewer labels."
            ) from error

    def find_precisions(self) -> tuple[str, ...]:
        """The number formats that the engine computes in."""
        with self._device.active():
            inspector = self._engine.create_engine_inspector()
            return read_precisions(inspector.get_engine_information(self._session.trt.LayerInformationFormat.JSON))

    def _load(self, path: Path) -> Any:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            engine = self._runtime.deserialize_cuda_engine(content)
        if engine is None:
            raise MismatchError(
                f"{self._session.flavour.title} {self._session.version} does not load {path}: "
                f"{self._session.last_error()}; build it again with `lseg build`."
            )
        return engine

    def _configure(self, sidecar: Sidecar) -> tuple[RuntimeCache | None, Any, Any]:
        """The file of compiled kernels and what is in it, where the flavour compiles at run time; the configuration."""
        trt, config = self._session.trt, self._engine.create_runtime_config()
        if hasattr(trt, "CudaGraphStrategy"):
            config.cuda_graph_strategy = trt.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
        if hasattr(trt, "DynamicShapesKernelSpecializationStrategy"):
            # At once rather than some time later: one picture is not computed by other kernels than the next.
            strategy = trt.DynamicShapesKernelSpecializationStrategy.EAGER
            config.dynamic_shapes_kernel_specialization_strategy = strategy
        if not hasattr(config, "create_runtime_cache"):
            return None, None, config
        folder = cache_root() / "tensorrt-rtx"
        file = RuntimeCache(folder, self._session.version, self._device.gpu.name, sidecar.build_id)
        cache = config.create_runtime_cache()
        file.load_into(cache)
        if not config.set_runtime_cache(cache):
            raise MismatchError(f"TensorRT-RTX does not take its cache: {self._session.last_error()}.")
        return file, cache, config

    def _limits(self, name: str) -> list[tuple[int, ...]]:
        """The least, the tuned and the largest shape of an input."""
        return [tuple(shape) for shape in self._engine.get_tensor_profile_shape(name, 0)]

    def _find_outputs(self) -> dict[str, torch.dtype]:
        trt, engine = self._session.trt, self._engine
        types = {
            trt.DataType.FLOAT: torch.float32,
            trt.DataType.INT32: torch.int32,
            trt.DataType.HALF: torch.float16,
        }
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        found = [name for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.OUTPUT]
        return {name: types[engine.get_tensor_dtype(name)] for name in found}

    def _check_size(self, image: NDArray[np.uint8]) -> None:
        """For a graph of any size; one of a fixed size is checked by its specification."""
        least, most = self._least["image"][1:3], self._most["image"][1:3]
        if any(not low <= side <= high for low, side, high in zip(least, image.shape[1:3], most, strict=True)):
            raise MismatchError(
                f"The image is {image.shape[1]} x {image.shape[2]} pixels; this engine takes {least[0]} x {least[1]} "
                f"to {most[0]} x {most[1]}: take a smaller --imgsz, or build it again with --max-size."
            )

    def _prepare(self, shapes: Shapes) -> None:
        """Allocates for new shapes, and tells TensorRT where all lies."""
        if shapes == self._shapes:
            return
        context = self._context
        self._shapes, self._tensors, self._replay, self._runs = {}, {}, None, 0
        for name, shape in shapes.items():
            self._require(context.set_input_shape(name, shape), f"the shape {shape} of {name}")
        missing = context.infer_shapes()
        self._require(not missing, f"what it was told, without {', '.join(missing)}")
        self._tensors = {
            "image": self._device.empty(shapes["image"], torch.uint8),
            "text": self._device.empty(shapes["text"], torch.float32),
        }
        for name, dtype in self._outputs.items():
            self._tensors[name] = self._device.empty(tuple(context.get_tensor_shape(name)), dtype)
        for name, tensor in self._tensors.items():
            self._require(context.set_tensor_address(name, tensor.data_ptr()), f"the address of {name}")
        self._shapes = shapes

    def _execute(self) -> None:
        """The first run of a shape settles what TensorRT puts off until then; the second is captured."""
        if self._captures and self._runs == 1:
            self._replay = self._device.capture(self._enqueue)
            self._captures = self._replay is not None
        if self._replay is not None:
            self._replay()
        else:
            self._require(self._enqueue(), "the run")
        self._runs += 1
        if self._runs == 1 and self._cache_file is not None:
            self._cache_file.save(self._cache)

    def _enqueue(self) -> bool:
        return bool(self._context.execute_async_v3(self._device.stream))

    def _result(self, name: str, count: int) -> Tensor:
        """An output without the copies of labels."""
        tensor, labels = self._tensors[name], self._shapes["text"][0]
        if name in BY_LABEL:
            return tensor[:, :count]
        if count == labels or name == "features":
            return tensor
        if name == "mask":  # the winner may be a copy: which one of equals it is, TensorRT does not promise
            return torch.where(tensor < count, tensor, 0)
        logits = self._tensors["logits"][:, :count]
        return (logits.amax(1) - logits.logsumexp(1)).exp()

    def _require(self, is_done: bool, what: str) -> None:
        """TensorRT tells of a failure by a value alone."""
        if not is_done:
            self._shapes = {}
            raise DataError(f"TensorRT refuses {what}: {self._session.last_error()}.")


def bucket(count: int, most: int) -> int:
    """The number of labels that `count` labels are filled up to."""
    last = BUCKETS[-1]
    size = next((size for size in BUCKETS if size >= count), -(-count // last) * last)
    return min(size, most)


def pad_labels(text: NDArray[np.float32], most: int) -> NDArray[np.float32]:
    """(N, C) -> (bucket, C): the first label again and again behind the others."""
    missing = bucket(len(text), most) - len(text)
    return np.concatenate([text, np.repeat(text[:1], missing, axis=0)]) if missing else np.ascontiguousarray(text)
