"""What is said of a TensorRT that is not there, and of what it tells its logger."""

import sys
from collections.abc import Callable
from types import ModuleType

import pytest

from lseg_cli.errors import MissingError
from lseg_engines.doctor.nvidia_driver import Gpu, find_gpus
from lseg_engines.tensorrt.flavour import FLAVOURS, Session, find_flavours, tidy
from tests.engines.fake_tensorrt import World

Machine = Callable[[str], World]


@pytest.mark.parametrize(("key", "package"), [("trt", "tensorrt"), ("rtx", "tensorrt-rtx")])
def test_a_package_that_is_missing_is_told(key: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    flavour = FLAVOURS["rtx" if key == "rtx" else "trt"]
    monkeypatch.setitem(sys.modules, flavour.module, None)  # as Python says that there is none
    with pytest.raises(MissingError, match=rf"{flavour.title} is not installed: pip install {package}\.$"):
        flavour.load()


@pytest.mark.parametrize("error", [ImportError, OSError])
def test_libraries_that_do_not_load_are_told(error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_name: str) -> ModuleType:
        raise error("libnvinfer.so.10: cannot open shared object file\nmore")

    monkeypatch.setattr("importlib.import_module", refuse)
    with pytest.raises(MissingError, match=r"does not load \(libnvinfer\.so\.10: cannot open .*\): pip"):
        FLAVOURS["trt"].load()


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (
            "IBuilder::buildSerializedNetwork: Error Code 1: Myelin ([pass.cpp:337: check_turing_op_compatibility] "
            "Cannot compile operation 'node_bmm' for Turing (SM75): FP32 GEMM is not supported. In compileGraph at "
            "/_src/optimizer/myelin/codeGenerator.cpp:2012)",
            "Cannot compile operation 'node_bmm' for Turing (SM75): FP32 GEMM is not supported",
        ),
        (
            "IBuilder::buildSerializedNetwork: Error Code 6: API Usage Error (Unable to load library: "
            "libnvinfer_lean.so.1: cannot open shared object file: No such file or directory In Impl at "
            "/_src/runtime/dispatch/libLoader.cpp:305)",
            "Unable to load library: libnvinfer_lean.so.1: cannot open shared object file: No such file or directory",
        ),
        (
            "[localCheckMacros.cpp::getErrorStr::132] Error Code 2: OutOfMemory (Requested size was 1089240348 bytes.)",
            "Requested size was 1089240348 bytes",
        ),
        ("Something else.", "Something else"),
    ],
)
def test_reasons_are_without_codes_and_source_files(message: str, reason: str) -> None:
    assert tidy(message) == reason


def test_the_last_error_is_kept_and_noise_is_not(machine: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lseg_engines.tensorrt.flavour.find_gpus", lambda: [])
    session = Session(FLAVOURS["rtx" if "rtx" in machine.trt.__name__ else "trt"])
    severity = machine.trt.ILogger.Severity
    assert session.last_error() == "it does not say why"
    session.log.log(severity.ERROR, "The first.")
    session.log.log(severity.INTERNAL_ERROR, "The second.")
    session.log.log(severity.WARNING, "Some warning.")
    session.log.log(severity.ERROR, "x (cudaError 35: CUDA driver version is insufficient for CUDA runtime version)")
    session.log.log(severity.INTERNAL_ERROR, "Thread context has not been set! Using global log stream.")
    assert session.last_error() == "The second"


def test_a_driver_that_is_too_old_is_no_noise(machine: World) -> None:
    session = Session(FLAVOURS["rtx" if "rtx" in machine.trt.__name__ else "trt"])
    session.log.log(machine.trt.ILogger.Severity.ERROR, "Too old (cudaError 35).")
    assert session.last_error() == "Too old (cudaError 35)"


def test_what_a_machine_can_do_is_told(make_machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)
    make_machine("tensorrt 11.4.0.106")
    trt, rtx = find_flavours()
    assert (trt.title, trt.version, trt.builds, trt.runs, trt.reason) == ("TensorRT", "11.4.0.106", True, True, "")
    assert (rtx.title, rtx.version, rtx.builds, rtx.runs) == ("TensorRT-RTX", "", False, False)
    assert rtx.reason == "TensorRT-RTX is not installed: pip install tensorrt-rtx."
    make_machine("tensorrt_rtx 1.7.1.116")
    monkeypatch.setattr("lseg_engines.tensorrt.flavour.find_gpus", lambda: [])
    trt, rtx = find_flavours()
    assert (trt.builds, trt.runs, trt.reason) == (False, False, "No NVIDIA GPU: engines cannot be built or run here.")
    assert (rtx.builds, rtx.runs, rtx.reason) == (True, False, "No NVIDIA GPU: engines cannot be run here.")


def test_gpus_are_those_of_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    class Driver:
        """Of two GPUs, as the C functions fill in what they are given."""

        def __getattr__(self, name: str) -> Callable[..., int]:
            return getattr(self, f"_{name}")  # type: ignore[no-any-return]

        def _cuInit(self, _flags: int) -> int:
            return 0

        def _cuDeviceGetCount(self, count: object) -> int:
            count._obj.value = 2  # type: ignore[attr-defined]
            return 0

        def _cuDeviceGet(self, device: object, index: int) -> int:
            device._obj.value = index  # type: ignore[attr-defined]
            return 0

        def _cuDeviceGetName(self, name: object, _size: int, device: object) -> int:
            name.value = f"GPU {device.value}".encode()  # type: ignore[attr-defined]
            return 0

        def _cuDeviceGetAttribute(self, value: object, attribute: int, device: object) -> int:
            value._obj.value = {75: 8 + device.value, 76: 9 - device.value}[attribute]  # type: ignore[attr-defined]
            return 0

    monkeypatch.setattr("ctypes.CDLL", lambda _name: Driver())
    assert find_gpus() == [Gpu("GPU 0", 89), Gpu("GPU 1", 98)]


def test_without_a_driver_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> object:
        raise OSError(name)

    monkeypatch.setattr("ctypes.CDLL", refuse)
    assert find_gpus() == []
