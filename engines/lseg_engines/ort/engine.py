"""The engine that runs an exported `.onnx` file in ONNX Runtime. Neither PyTorch nor a text tower is imported."""

import contextlib
import io
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as errors

from lseg_cli.contract import PRECISION_KEY, GraphSpec, Output
from lseg_cli.errors import MemoryFullError, MismatchError, MissingError
from lseg_engines.doctor.nvidia_driver import find_gpus
from lseg_engines.ort import graph_cache
from lseg_engines.ort.header import read_onnx
from lseg_engines.ort.part import part_of
from lseg_engines.text_tower import with_tower

_SUFFIX = "ExecutionProvider"
_CPU = "CPUExecutionProvider"
_BESIDE = "session.model_external_initializers_file_folder_path"  # where a graph from memory finds its weights
# Threads that have nothing to do sleep. By default they spin: of lseg-tiny's first picture in two threads beside other
# work, making the session then took 0.10 CPU seconds instead of 0.06 and running it 0.36 instead of 0.24.
_SPINNING = "session.intra_op.allow_spinning"
_FATAL = 4  # of ONNX Runtime's severities: what goes wrong is raised here, so it need not be on stderr as well
_REFUSALS = (
    errors.Fail,
    errors.InvalidArgument,
    errors.InvalidGraph,
    errors.InvalidProtobuf,
    errors.NoModel,
    errors.NotImplemented,
    errors.RuntimeException,
)


class OnnxEngine:
    """Fulfils `lseg_cli.contract.Engine`."""

    def __init__(self, session: Any, origin: str, device: str) -> None:
        """Takes a session as it is; `open` is the usual way in.

        Args:
            session: of ONNX Runtime, on `device`.
            origin: where the graph came from, for errors.
            device: such as 'cpu' or 'cuda:0'.

        Raises:
            MismatchError: the graph does not say what it is.
        """
        metadata: dict[str, str] = session.get_modelmeta().custom_metadata_map
        spec = GraphSpec.from_metadata(metadata, origin)
        self.spec = spec.model_copy(update={"outputs": tuple(output.name for output in session.get_outputs())})
        self.precision = metadata.get(PRECISION_KEY, "fp32")
        self.device = device
        self._session = session
        self._origin = origin
        self._is_on_host = device == "cpu"

    @classmethod
    def open(
        cls,
        path: Path,
        device: str = "auto",
        threads: int | None = None,
        outputs: Collection[Output] | None = None,
        keeps_memory: bool = True,
    ) -> "OnnxEngine":
        """Opens an `.onnx` file that `lseg export` wrote; data beside it is found by its name.

        Args:
            path: of the file.
            device: 'auto' (cuda:0 where there is an NVIDIA GPU and this ONNX Runtime can use one, else cpu), 'cpu',
                'cuda', 'cuda:1', or another execution provider by its name, such as 'openvino' or 'coreml'.
            threads: of the CPU for one picture; None: a thread per core.
            outputs: all that will ever be asked for; None: any.
            keeps_memory: from one run to the next, in blocks of twice the size each time. Without, a run takes a tenth
                longer, and half of the memory where answers are gigabytes.

        Raises:
            MissingError: a device that is not there or cannot be used; never another one instead.
            MismatchError: the file is not an ONNX graph, none of this tool, or has not these outputs.
        """
        session, name = open_session(path, device, threads, outputs, keeps_memory)
        engine = cls(session, str(path), name)
        engine.spec = with_tower(engine.spec, path)
        return engine

    def run(
        self, image: NDArray[np.uint8], text: NDArray[np.float32], outputs: Collection[Output]
    ) -> dict[str, NDArray[np.generic]]:
        """Shapes as in GraphSpec; an output that is not asked for never leaves the device.

        Raises:
            MismatchError: a shape, width, count or type that the graph does not take.
            MemoryFullError: the device's memory is full.
        """
        self.spec.check(image, text)
        feeds: dict[str, Any] = {"image": np.ascontiguousarray(image), "text": np.ascontiguousarray(text)}
        names = list(outputs)
        try:
            tensors = self._session.run(names, feeds) if self._is_on_host else self._run_bound(names, feeds)
        except _REFUSALS as error:
            if "alloc" not in str(error).lower():
                raise MismatchError(f"{self._origin} cannot be run by ONNX Runtime: {_reason(error)}") from error
            raise MemoryFullError(
                f"The memory of {self.device} is full at {image.shape[1]}x{image.shape[2]} pixels with {len(text)} "
                "labels; take a smaller --imgsz or fewer labels."
            ) from error
        answers = dict(zip(names, tensors, strict=True))
        for name, array in answers.items():
            if array.shape != _shape_of(name, image.shape, len(text), array.shape):
                raise MismatchError(f"{self._origin} answers with {name} of shape {array.shape}; export it again.")
        return answers

    def _run_bound(self, names: Sequence[str], feeds: dict[str, Any]) -> list[NDArray[np.generic]]:
        """Binds inputs and only the outputs that are asked for, so that a mask comes back without its logits."""
        binding = self._session.io_binding()
        for name, array in feeds.items():
            binding.bind_cpu_input(name, array)
        for name in names:
            binding.bind_output(name)  # on the CPU, where it is copied to once the device is done
        self._session.run_with_iobinding(binding)
        tensors: list[NDArray[np.generic]] = binding.copy_outputs_to_cpu()
        return tensors


def open_session(
    source: Path | bytes,
    device: str,
    threads: int | None = None,
    outputs: Collection[Output] | None = None,
    keeps_memory: bool = True,
) -> tuple[Any, str]:
    """A session of ONNX Runtime on a device, and the device's full name.

    Args:
        source: an ONNX file, or what would be in it.
        device: as of `OnnxEngine.open`.
        threads: as of `OnnxEngine.open`.
        outputs: as of `OnnxEngine.open`; of a file.
        keeps_memory: as of `OnnxEngine.open`.

    Raises:
        MissingError: a device that is not there or cannot be used; never another one instead.
        MismatchError: no ONNX graph.
    """
    provider, options, name = _find_provider(device)
    if provider.startswith(("CUDA", "Tensorrt")):
        with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does not find
            onnxruntime.preload_dlls()  # CUDA's libraries of the nvidia-* packages that came with PyTorch
    onnxruntime.set_default_logger_severity(_FATAL)
    session = None
    settings = partial(_settings, threads, keeps_memory)
    if isinstance(source, Path) and name == "cpu":
        session = _open_kept(source, outputs, settings, threads)
    if session is None:
        session = _open_new(source, (provider, options), outputs, settings())
    if provider not in session.get_providers():
        raise MissingError(
            f"ONNX Runtime cannot use {name}: its {provider} does not load; CUDA {onnxruntime.cuda_version or '?'} "
            "and cuDNN 9 must be installed, or take --device cpu."
        )
    return session, name


def _settings(threads: int | None, keeps_memory: bool) -> Any:
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = _FATAL
    settings.intra_op_num_threads = threads or 0
    settings.enable_cpu_mem_arena = keeps_memory
    settings.add_session_config_entry(_SPINNING, "0")
    return settings


def _open_kept(path: Path, outputs: Collection[Output] | None, settings: Callable[[], Any], threads: int | None) -> Any:
    """A session of a graph that was optimised before, or that is kept now; None: neither can be."""
    key = graph_cache.key_of(path, outputs, threads)
    graph, chosen = graph_cache.find(key) if key else None, settings()
    if graph is not None:
        chosen.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        with contextlib.suppress(*_REFUSALS):
            return onnxruntime.InferenceSession(str(graph), chosen, providers=[_CPU])
        chosen = settings()
    draft = graph_cache.draft_of(key) if key else None
    if draft is None:
        return None
    try:
        chosen.optimized_model_filepath = str(draft)
        session = _open_new(path, (_CPU, {}), outputs, chosen)
        graph_cache.keep(key, draft)
    except MismatchError:  # of the graph, or of a full disk: said by who opens it without keeping it
        return None
    finally:
        draft.unlink(missing_ok=True)
    return session


def _open_new(
    source: Path | bytes, provider: tuple[str, dict[str, str]], outputs: Collection[Output] | None, settings: Any
) -> Any:
    """A session of a graph that is checked, cut and optimised.

    Raises:
        MismatchError: no ONNX graph.
    """
    graph = source if isinstance(source, bytes) else str(source)
    if outputs is None and isinstance(source, Path):
        read_onnx(source)  # checks it
    elif outputs is not None and isinstance(source, Path):
        graph = part_of(source, outputs)
        settings.add_session_config_entry(_BESIDE, str(source.parent))
    try:
        # Without the fall-back, which would print and go on with the CPU.
        return onnxruntime.InferenceSession(graph, settings, providers=[provider], enable_fallback=0)
    except Exception as error:  # whatever it stumbles over: the graph is somebody else's
        origin = "The graph" if isinstance(source, bytes) else source
        raise MismatchError(
            f"{origin} is not a complete ONNX graph that ONNX Runtime can run: {_reason(error)}"
        ) from error


def _find_provider(device: str) -> tuple[str, dict[str, str], str]:
    """ONNX Runtime's provider for a device, its options, and the device's full name.

    Raises:
        MissingError: this ONNX Runtime was built without it.
    """
    built = {name.removesuffix(_SUFFIX).lower(): name for name in onnxruntime.get_available_providers()}
    if device == "auto":
        device = "cuda" if "cuda" in built and find_gpus() else "cpu"
    kind, _, index = device.partition(":")
    if kind not in built or (index and not index.isdecimal()) or (kind == "cpu" and index):
        raise MissingError(
            f"The device {device!r} is none of this ONNX Runtime's, which are {', '.join(sorted(built))}: "
            "choose one with --device."
        )
    if kind not in ("cuda", "tensorrt"):
        return built[kind], {}, kind
    return built[kind], {"device_id": index or "0"}, f"{kind}:{index or 0}"


def _shape_of(name: str, image: tuple[int, ...], count: int, given: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of an output for a picture (B, H, W, 3) and so many labels; as in GraphSpec."""
    batch, height, width = image[:3]
    shapes: dict[str, tuple[int, ...]] = {
        "logits": (batch, count, height, width),
        "mask": (batch, height, width),
        "confidence": (batch, height, width),
        "scores": (batch, count, height // 2, width // 2),
    }
    return shapes.get(name, given)


def _reason(error: Exception) -> str:
    """The last part of ONNX Runtime's '[ONNXRuntimeError] : 7 : INVALID_PROTOBUF : Load model from … failed: …'."""
    lines = str(error).splitlines()
    text = lines[0].rsplit(" : ", 1)[-1].rstrip(".") if lines else type(error).__name__
    return f"{text}."
