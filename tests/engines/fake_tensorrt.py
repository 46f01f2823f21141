"""A stand-in for TensorRT's modules, so that what calls them is tested where no GPU is.

It has the names of a real version and no others (`tensorrt_api_names.json`, read from NVIDIA's bindings): a call that a
version does not know fails here as it would there. Engines are JSON; they run in ONNX Runtime, on the CPU, at the
addresses that they were given.
"""

import ctypes
import enum
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray

from lseg_engines.doctor.nvidia_driver import Gpu
from lseg_engines.tensorrt.cuda_device import CudaDevice

NAMES: dict[str, dict[str, list[str]]] = json.loads(
    (Path(__file__).parent / "tensorrt_api_names.json").read_text(encoding="utf-8")
)
VERSIONS = tuple(NAMES)
GPU = Gpu("Fake RTX 4090", 89)
MAGIC = b"ftrt" + bytes(12)
STREAM = 4711

Dims = tuple[int, ...]


class Limited:
    """Has the public attributes that a version has, whatever the stand-in could do."""

    allowed_: ClassVar[frozenset[str]] = frozenset()

    def __getattribute__(self, name: str) -> Any:
        if not name.endswith("_") and not name.startswith("_") and name not in type(self).allowed_:
            raise AttributeError(f"{type(self).__name__} of this version has no {name}")
        return super().__getattribute__(name)

    def __setattr__(self, name: str, value: object) -> None:
        if not name.endswith("_") and name not in type(self).allowed_:
            raise AttributeError(f"{type(self).__name__} of this version has no {name}")
        super().__setattr__(name, value)


class World:
    """What happens to a stand-in: written down, or decided by a test.

    Attributes:
        trt: the module.
        calls: what was done with the builder's configuration, by name.
        refused: calls that report a failure.
        formats: of every layer, as the inspector tells them.
        magic: the first bytes of an engine.
    """

    def __init__(self, version: str) -> None:
        self.calls: dict[str, list[Any]] = {}
        self.refused: set[str] = set()
        self.formats = "Float"
        self.trt = make_module(version, self)

    def refuses(self, what: str, log: Any) -> bool:
        if what in self.refused:
            log.log(self.trt.ILogger.Severity.ERROR, f"I::x: Error Code 4: Usage (No {what} today. In f at /a.cpp:1)")
        return what in self.refused

    def note(self, name: str, value: object = None) -> None:
        self.calls.setdefault(name, []).append(value)


class HostDevice(CudaDevice):
    """The CPU's memory for a GPU's."""

    can_capture = True

    def __init__(self, name: str = "auto") -> None:
        self.name, self.gpu, self.stream = "cpu", GPU, STREAM
        self.captured = self.replayed = 0

    @contextmanager
    def active(self) -> Iterator[None]:
        with torch.inference_mode():
            yield

    def empty(self, shape: Dims, dtype: torch.dtype) -> torch.Tensor:
        return torch.full(shape, 77, dtype=dtype)

    def capture(self, enqueue: Callable[[], bool]) -> Callable[[], None] | None:
        if not self.can_capture:
            return None
        self.captured += 1

        def replay() -> None:
            self.replayed += 1
            enqueue()

        return replay

    def fetch(self, tensors: dict[str, torch.Tensor]) -> dict[str, NDArray[np.generic]]:
        return {name: tensor.clone().numpy() for name, tensor in tensors.items()}


def make_module(version: str, world: World) -> ModuleType:
    """A module as `import tensorrt` gives it.

    Args:
        version: a key of the names' file, such as 'tensorrt 11.4.0.106'.
        world: what happens.
    """
    names = NAMES[version]
    module = ModuleType(version.split(maxsplit=1)[0])
    module.__dict__["__version__"] = version.split()[1]
    for name, members in names.items():
        if name in _CLASSES:
            made = type(name, (_CLASSES[name],), {"allowed_": frozenset(members), "world_": world})
            module.__dict__[name] = made
        else:
            module.__dict__[name] = enum.IntEnum(name, members, start=0)
    return module


class ILogger(Limited):
    class Severity(enum.IntEnum):
        INTERNAL_ERROR = 0
        ERROR = 1
        WARNING = 2


class IProgressMonitor(Limited):
    pass


class OwnClass(Limited):
    """What a user derives from may have attributes of its own."""

    def __getattribute__(self, name: str) -> Any:
        return object.__getattribute__(self, name)

    def __setattr__(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)


class Part(Limited):
    world_: ClassVar[World]

    @property
    def trt_(self) -> Any:
        return self.world_.trt


class Builder(Part):
    def __init__(self, log: Any) -> None:
        self.log_ = log
        if self.world_.refuses("Builder", log):
            raise TypeError("pybind11::init(): factory function returned nullptr")

    def create_network(self, flags: int) -> Any:
        self.world_.note("create_network", flags)
        return self.trt_.INetworkDefinition()

    def create_builder_config(self) -> Any:
        config = self.trt_.IBuilderConfig()
        config.log_ = self.log_
        return config

    def create_optimization_profile(self) -> Any:
        return self.trt_.IOptimizationProfile()

    def build_serialized_network(self, network: Any, config: Any) -> bytes | None:
        monitor = config.progress_monitor
        monitor.phase_start("Building engine", None, 2)
        monitor.phase_start("Timing", "Building engine", 4)
        going = all(monitor.step_complete("Timing", step) for step in range(4))
        monitor.phase_finish("Timing")
        going = going and monitor.step_complete("Building engine", 0) and monitor.step_complete("Building engine", 1)
        if not going or self.world_.refuses("build", self.log_):
            return None
        content = {"onnx": network.path_, "name": network.name, "profile": config.profile_.shapes_}
        return MAGIC + json.dumps(content).encode()


class INetworkDefinition(Part):
    path_ = ""
    name = "Unnamed Network 0"

    @property
    def num_inputs(self) -> int:
        return len(onnx.load(self.path_).graph.input)

    def get_input(self, index: int) -> Any:
        tensor = self.trt_.ITensor()
        tensor.name = onnx.load(self.path_).graph.input[index].name
        return tensor


class ITensor(Part):
    name = ""


class OnnxParser(Part):
    def __init__(self, network: Any, log: Any) -> None:
        self.network_, self.log_ = network, log
        self.problems_: list[Any] = []

    def parse_from_file(self, path: str) -> bool:
        assert Path(path).is_absolute()
        if self.world_.refuses("parse", self.log_):
            self.problems_ = [self.trt_.ParserError()]
            return False
        self.network_.path_ = path
        return True

    @property
    def num_errors(self) -> int:
        return len(self.problems_)

    def get_error(self, index: int) -> Any:
        return self.problems_[index]


class ParserError(Part):
    def desc(self) -> str:
        return "Assertion failed: rank < 9: Too many dimensions."

    def node_name(self) -> str:
        return "node_resize"


class IOptimizationProfile(Part):
    def __init__(self) -> None:
        self.shapes_: dict[str, Sequence[Dims]] = {}

    def set_shape(self, name: str, least: Dims, opt: Dims, most: Dims) -> None:
        self.shapes_[name] = (least, opt, most)  # as there, an unknown name is not refused


class IBuilderConfig(Part):
    log_: Any
    profile_: Any = None

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if not name.endswith("_"):
            self.world_.note(name, value)

    def add_optimization_profile(self, profile: Any) -> int:
        self.profile_ = profile
        return -1 if self.world_.refuses("profile", self.log_) else 0

    def set_flag(self, flag: Any) -> None:
        self.world_.note("set_flag", flag.name)

    def clear_flag(self, flag: Any) -> None:
        self.world_.note("clear_flag", flag.name)

    def set_memory_pool_limit(self, pool: Any, size: int) -> None:
        self.world_.note("set_memory_pool_limit", (pool.name, size))

    def set_compute_capability(self, capability: Any, index: int) -> bool:
        self.world_.note("set_compute_capability", (capability.name, index))
        return not self.world_.refuses("SM", self.log_)

    def create_timing_cache(self, content: bytes) -> Any:
        cache = self.trt_.ITimingCache()
        cache.content_ = content
        return cache

    def set_timing_cache(self, cache: Any, ignore_mismatch: bool) -> bool:
        assert not ignore_mismatch
        if cache.content_ not in (b"", b"timings"):
            return False
        self.world_.note("set_timing_cache", cache.content_)
        self.cache_ = cache
        return True

    def get_timing_cache(self) -> Any:
        return self.cache_


class ITimingCache(Part):
    content_ = b""

    def serialize(self) -> bytes:
        return b"timings"


class Runtime(Part):
    engine_host_code_allowed = False

    def __init__(self, log: Any) -> None:
        self.log_ = log

    def deserialize_cuda_engine(self, content: Any) -> Any:
        data = bytes(content)
        if self.world_.refuses("deserialize", self.log_) or not data.startswith(MAGIC):
            return None
        engine = self.trt_.ICudaEngine()
        engine.fill_(json.loads(data[len(MAGIC) :]), self.log_)
        return engine


class ICudaEngine(Part):
    def fill_(self, content: dict[str, Any], log: Any) -> None:
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = 1
        self.session_ = onnxruntime.InferenceSession(content["onnx"], settings, providers=["CPUExecutionProvider"])
        self.log_, self.profile_, self.name_ = log, content["profile"], content["name"]
        self.inputs_ = [each.name for each in self.session_.get_inputs()]
        self.outputs_ = [each.name for each in self.session_.get_outputs()]

    @property
    def name(self) -> str:
        return str(self.name_)

    @property
    def num_io_tensors(self) -> int:
        return len(self.inputs_ + self.outputs_)

    def get_tensor_name(self, index: int) -> str:
        return str((self.inputs_ + self.outputs_)[index])

    def get_tensor_mode(self, name: str) -> Any:
        return self.trt_.TensorIOMode.INPUT if name in self.inputs_ else self.trt_.TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> Any:
        types = {"image": self.trt_.DataType.UINT8, "mask": self.trt_.DataType.INT32}
        types["features"] = self.trt_.DataType.HALF
        return types.get(name, self.trt_.DataType.FLOAT)

    def get_tensor_profile_shape(self, name: str, _index: int) -> list[Sequence[int]]:
        return [tuple(shape) for shape in self.profile_[name]]

    def create_runtime_config(self) -> Any:
        return self.trt_.IRuntimeConfig()

    def create_execution_context(self, config: Any) -> Any:
        if self.world_.refuses("context", self.log_):
            return None
        context = self.trt_.IExecutionContext()
        context.engine_, context.config_ = self, config
        return context

    def create_engine_inspector(self) -> Any:
        return Inspector(self.world_.formats)


class Inspector:
    """`EngineInspector`, whose names are in no list; it is as old as TensorRT 8.2."""

    def __init__(self, formats: str) -> None:
        tensor = {"Name": "x", "Format/Datatype": formats}
        layer = {"Name": "conv", "Inputs": [{"Name": "y", "Format/Datatype": "Float"}], "Outputs": [tensor]}
        self._text = json.dumps({"Layers": [layer, layer], "Bindings": ["image", "text"]})

    def get_engine_information(self, _format: object) -> str:
        return self._text


class IRuntimeConfig(Part):
    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        self.world_.note(name, getattr(value, "name", value))

    def create_runtime_cache(self) -> Any:
        return self.trt_.IRuntimeCache()

    def set_runtime_cache(self, cache: Any) -> bool:
        self.world_.note("set_runtime_cache", cache)
        return "runtime cache" not in self.world_.refused


class IRuntimeCache(Part):
    content_ = b""

    def deserialize(self, content: bytes) -> bool:
        self.content_ = content
        self.world_.note("deserialize", content)
        return True

    def serialize(self) -> bytes:
        return self.content_ + b"kernel "


class IExecutionContext(Part):
    engine_: Any
    config_: Any

    def __init__(self) -> None:
        self.shapes_: dict[str, Dims] = {}
        self.addresses_: dict[str, int] = {}

    def set_input_shape(self, name: str, shape: Dims) -> bool:
        profile = self.engine_.profile_.get(name)
        if profile is None or not all(a <= b <= c for a, b, c in zip(profile[0], shape, profile[2], strict=True)):
            return False
        self.world_.note("set_input_shape", (name, shape))
        self.shapes_[name] = shape
        return True

    def infer_shapes(self) -> list[str]:
        return [name for name in self.engine_.inputs_ if name not in self.shapes_]

    def get_tensor_shape(self, name: str) -> Dims:
        (batch, height, width, _), (count, _) = self.shapes_["image"], self.shapes_["text"]
        by_label = {"logits": (batch, count, height, width), "scores": (batch, count, height // 2, width // 2)}
        by_label["features"] = (batch, self.shapes_["text"][1], height // 4, width // 4)
        return by_label.get(name, (batch, height, width))

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.addresses_[name] = address
        return name in self.engine_.inputs_ + self.engine_.outputs_

    def execute_async_v3(self, stream: int) -> bool:
        if self.world_.refuses("run", self.engine_.log_):
            return False
        assert stream == STREAM
        self.world_.note("execute", dict(self.shapes_))
        types: dict[str, np.dtype[Any]] = {"image": np.dtype(np.uint8), "text": np.dtype(np.float32)}
        feeds = {name: self._at(name, self.shapes_[name], types[name]).copy() for name in self.engine_.inputs_}
        answers = self.engine_.session_.run(self.engine_.outputs_, feeds)
        for name, answer in zip(self.engine_.outputs_, answers, strict=True):
            self._at(name, answer.shape, answer.dtype)[...] = answer
        return True

    def _at(self, name: str, shape: Dims, dtype: "np.dtype[Any]") -> NDArray[Any]:
        memory = (ctypes.c_byte * (int(np.prod(shape)) * dtype.itemsize)).from_address(self.addresses_[name])
        array: NDArray[Any] = np.ctypeslib.as_array(memory).view(dtype).reshape(shape)
        return array


class _Logger(OwnClass, ILogger):
    pass


class _Monitor(OwnClass, IProgressMonitor):
    pass


_CLASSES: dict[str, type] = {
    each.__name__: each
    for each in (
        *(Builder, INetworkDefinition, ITensor, OnnxParser, ParserError, IOptimizationProfile, IBuilderConfig),
        *(ITimingCache, Runtime, ICudaEngine, IRuntimeConfig, IRuntimeCache, IExecutionContext),
    )
} | {"ILogger": _Logger, "IProgressMonitor": _Monitor}
