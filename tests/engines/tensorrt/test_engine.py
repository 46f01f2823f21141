"""The TensorRT engine against a stand-in that has the names of one version and no others."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lseg_cli.config import ModelConfig
from lseg_cli.engine_choice import EngineChoice
from lseg_cli.errors import DataError, MismatchError, MissingError
from lseg_engines.doctor.nvidia_driver import Gpu
from lseg_engines.opener import open_engine
from lseg_engines.ort.engine import OnnxEngine
from lseg_engines.tensorrt.builder import build_engine
from lseg_engines.tensorrt.engine import TensorrtEngine, bucket, pad_labels
from lseg_engines.tensorrt.options import BuildOptions
from lseg_engines.tensorrt.sidecar import IncompatibleEngineError, read_sidecar, write_sidecar
from lseg_export.options import GraphOptions
from tests.engines.fake_tensorrt import HostDevice, World

Exporter = Callable[[ModelConfig, GraphOptions], tuple[Path, Path]]
FIXED, ANY_SIZE = GraphOptions(size=(64, 96)), GraphOptions()


def picture(batch: int = 1, height: int = 64, width: int = 96) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (batch, height, width, 3), np.uint8)


def words(count: int) -> NDArray[np.float32]:
    text = np.random.default_rng(1).standard_normal((count, 16)).astype(np.float32)
    unit: NDArray[np.float32] = text / np.linalg.norm(text, axis=1, keepdims=True)
    return unit


@pytest.fixture
def onnx_path(pyramid_config: ModelConfig, exported: Exporter) -> Path:
    return exported(pyramid_config, FIXED)[1]


@pytest.fixture
def path(machine: World, onnx_path: Path, tmp_path: Path) -> Path:
    """An engine for the machine's TensorRT, which stays while the machine changes."""
    target = tmp_path / "x.engine"
    options = BuildOptions("rtx" if "rtx" in machine.trt.__name__ else "trt", max_batch=2, max_labels=40)
    build_engine(onnx_path, target, options, lambda _phase, _share: True, str(onnx_path))
    return target


@pytest.mark.parametrize("count", [1, 8, 9, 40])
def test_answers_are_those_of_the_graph_whatever_the_labels_number(count: int, path: Path, onnx_path: Path) -> None:
    engines = (TensorrtEngine.open(path), OnnxEngine.open(onnx_path, "cpu", 1))
    ours, theirs = (each.run(picture(2), words(count), ("logits", "mask", "confidence")) for each in engines)
    assert np.abs(np.subtract(ours["logits"], theirs["logits"])).max() < 1e-4
    assert (ours["mask"] == theirs["mask"]).mean() > 0.9999
    assert np.abs(np.subtract(ours["confidence"], theirs["confidence"])).max() < 1e-4


def test_label_counts_are_filled_up_with_a_real_label(machine: World, path: Path) -> None:
    engine = TensorrtEngine.open(path)
    for count in (1, 3, 8, 9, 40):
        assert engine.run(picture(), words(count), {"logits"})["logits"].shape == (1, count, 64, 96)
    counts = [shapes["text"][0] for shapes in machine.calls["execute"]]
    assert counts == [8, 8, 8, 32, 40]
    padded = pad_labels(words(3), 40)
    assert np.array_equal(padded[:3], words(3))
    assert all(np.array_equal(row, words(3)[0]) for row in padded[3:])


@pytest.mark.parametrize(
    ("count", "most", "expected"), [(1, 999, 8), (32, 999, 32), (65, 999, 256), (257, 999, 512), (65, 100, 100)]
)
def test_buckets_end_at_what_the_engine_takes(count: int, most: int, expected: int) -> None:
    assert bucket(count, most) == expected


def test_a_winner_that_is_a_copy_is_the_label_itself(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = TensorrtEngine.open(path)
    engine._prepare({"image": (1, 64, 96, 3), "text": (8, 16)})
    engine._tensors["mask"].fill_(5)
    assert set(engine._result("mask", 3).flatten().tolist()) == {0}
    assert set(engine._result("mask", 6).flatten().tolist()) == {5}


def test_limits_are_the_engines_own(path: Path) -> None:
    engine = TensorrtEngine.open(path)
    assert (engine.spec.max_batch, engine.spec.max_labels) == (2, 40)
    with pytest.raises(MismatchError, match="3 pictures and 41 labels at once; this engine takes at most 2 pictures"):
        engine.run(picture(3), words(41), {"mask"})


def test_sizes_of_a_graph_of_any_size_are_limited(
    machine: World, pyramid_config: ModelConfig, exported: Exporter, tmp_path: Path
) -> None:
    onnx_path, target = exported(pyramid_config, ANY_SIZE)[1], tmp_path / "any.engine"
    flavour = BuildOptions("rtx" if "rtx" in machine.trt.__name__ else "trt", max_side_px=128)
    build_engine(onnx_path, target, flavour, lambda _phase, _share: True)
    engine = TensorrtEngine.open(target)
    assert engine.run(picture(1, 128, 32), words(2), {"mask"})["mask"].shape == (1, 128, 32)
    with pytest.raises(MismatchError, match="64 x 160 pixels; this engine takes 32 x 32 to 128 x 128: take a smaller"):
        engine.run(picture(1, 64, 160), words(2), {"mask"})


def test_tensors_and_graph_are_kept_while_shapes_stay(machine: World, path: Path) -> None:
    engine, device = TensorrtEngine.open(path), None
    device = engine._device
    assert isinstance(device, HostDevice)
    answers = [engine.run(picture() // (index + 1), words(3), {"logits"})["logits"] for index in range(4)]
    assert len([call for call in machine.calls["set_input_shape"] if call[0] == "image"]) == 1
    is_rtx = "rtx" in machine.trt.__name__
    assert (device.captured, device.replayed) == ((0, 0) if is_rtx else (1, 3))
    assert not np.array_equal(answers[0], answers[3])
    engine.run(picture(2), words(3), {"mask"})
    assert engine._replay is None  # it holds the addresses of the shape before
    assert len(machine.calls["execute"]) == 5


def test_what_cannot_be_captured_runs_without(
    machine: World, path: Path, monkeypatch: pytest.MonkeyPatch, onnx_path: Path
) -> None:
    monkeypatch.setattr(HostDevice, "can_capture", False)
    engine = TensorrtEngine.open(path)
    masks = [engine.run(picture(), words(3), {"mask"})["mask"] for _ in range(3)]
    assert np.array_equal(masks[0], masks[2])
    assert not engine._captures


def test_code_in_an_engine_runs_only_where_it_is_trusted(
    make_machine: Callable[[str], World], onnx_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version-compatible engine brings a library of its own; its sidecar said that it may run."""
    machine = make_machine("tensorrt 10.16.1.11")
    path = tmp_path / "x.engine"
    build_engine(onnx_path, path, BuildOptions("trt", is_version_compatible=True), lambda _phase, _share: True)
    allowed: list[bool] = []
    monkeypatch.setattr(
        machine.trt.Runtime, "engine_host_code_allowed", property(None, lambda _, may: allowed.append(may))
    )
    with pytest.raises(MismatchError, match=f"it carries code .* LSEG_TRUSTED_ENGINES={tmp_path}"):
        TensorrtEngine.open(path)
    assert allowed == []
    TensorrtEngine.open(path, is_ours=True)
    monkeypatch.setenv("LSEG_TRUSTED_ENGINES", f"/nowhere, {tmp_path}")
    TensorrtEngine.open(path)
    assert allowed == [True, True]


def test_rtx_captures_and_caches_by_itself(
    make_machine: Callable[[str], World], onnx_path: Path, tmp_path: Path
) -> None:
    machine = make_machine("tensorrt_rtx 1.7.1.116")
    build_engine(onnx_path, tmp_path / "x.engine", BuildOptions("rtx"), lambda _phase, _share: True)
    TensorrtEngine.open(tmp_path / "x.engine").run(picture(), words(3), {"mask"})
    assert machine.calls["cuda_graph_strategy"] == ["WHOLE_GRAPH_CAPTURE"]
    assert "deserialize" not in machine.calls
    engine = TensorrtEngine.open(tmp_path / "x.engine")
    assert machine.calls["deserialize"] == [b"kernel "]
    for _ in range(3):
        engine.run(picture(), words(3), {"mask"})
    (kernels,) = (tmp_path / "cache" / "tensorrt-rtx").glob("*.kernels")
    assert kernels.read_bytes() == b"kernel kernel "  # written once per shape, not per run
    assert kernels.name.startswith("1.7.1.116-Fake-RTX-4090-lseg-")


def test_a_cache_folder_that_cannot_be_costs_no_run(
    make_machine: Callable[[str], World], onnx_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_machine("tensorrt_rtx 1.7.1.116")
    (tmp_path / "file").touch()
    monkeypatch.setenv("LSEG_CACHE", str(tmp_path / "file"))
    build_engine(onnx_path, tmp_path / "x.engine", BuildOptions("rtx"), lambda _phase, _share: True)
    engine = TensorrtEngine.open(tmp_path / "x.engine")
    assert engine.run(picture(), words(3), {"mask"})["mask"].shape == (1, 64, 96)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        ("deserialize", MismatchError, r"does not load .*x\.engine: No deserialize today; build it again"),
        ("context", DataError, "cannot be prepared to run on cpu: No context today"),
    ],
)
def test_what_tensorrt_refuses_to_open_is_told(
    call: str, kind: type[Exception], message: str, machine: World, path: Path
) -> None:
    machine.refused.add(call)
    with pytest.raises(kind, match=message):
        TensorrtEngine.open(path)


def test_a_run_that_fails_costs_one_picture(machine: World, path: Path) -> None:
    engine = TensorrtEngine.open(path)
    machine.refused.add("run")
    with pytest.raises(DataError, match="TensorRT refuses the run: No run today"):
        engine.run(picture(), words(3), {"mask"})
    machine.refused.clear()
    assert engine.run(picture(), words(3), {"mask"})["mask"].shape == (1, 64, 96)


def test_an_output_it_does_not_give_is_told(path: Path) -> None:
    with pytest.raises(MismatchError, match="This engine gives logits, mask, confidence, scores, features; not depth"):
        TensorrtEngine.open(path).run(picture(), words(3), {"depth"})  # type: ignore[arg-type]


def test_another_gpu_speaks_before_the_runtime(
    make_machine: Callable[[str], World], onnx_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = make_machine("tensorrt 10.16.1.11")
    build_engine(onnx_path, tmp_path / "x.engine", BuildOptions("trt"), lambda _phase, _share: True, "../y.onnx")
    monkeypatch.setattr("tests.engines.fake_tensorrt.GPU", Gpu("Other", 86))
    machine.trt.__dict__["__version__"] = "11.4.0.106"
    with pytest.raises(
        IncompatibleEngineError,
        match=r"was built with TensorRT 10\.16 for SM89, here are 11\.4 and SM86: run `lseg build .*y\.onnx --trt -o ",
    ):
        open_engine(EngineChoice(str(tmp_path / "x.engine"), device="cuda"))


def test_an_engine_that_does_not_fit_is_built_again_when_asked(
    machine: World, path: Path, onnx_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read_sidecar(path)
    machine.trt.__dict__["__version__"] = "99.0.0.1"
    engine = open_engine(EngineChoice(str(path), device="cuda"), rebuild=True)
    after = read_sidecar(path)
    assert (before.build.version, after.build.version) != (after.build.version, before.build.version)
    assert after.build.options == before.build.options
    assert engine.spec.max_labels == 40
    assert [file.name for file in path.parent.iterdir() if file.name.startswith("x")] == ["x.engine.json", "x.engine"]


def test_an_engine_without_its_onnx_file_is_not_built_again(machine: World, path: Path) -> None:
    sidecar = read_sidecar(path)
    content = path.read_bytes()
    Path(sidecar.build.onnx or "").touch()
    machine.trt.__dict__["__version__"] = "99.0.0.1"
    moved = path.with_name("moved") / "x.engine"
    moved.parent.mkdir()
    moved.write_bytes(content)
    write_sidecar(sidecar.model_copy(update={"build": sidecar.build.model_copy(update={"onnx": "no.onnx"})}), moved)
    with pytest.raises(MismatchError, match="was changed after it was written"):
        open_engine(EngineChoice(str(moved), device="cuda"), rebuild=True)


def test_a_sidecar_of_another_build_is_told(path: Path, onnx_path: Path) -> None:
    sidecar = read_sidecar(path)
    other = path.with_name("other.engine")
    flavour = sidecar.build.options.flavour
    options = replace(BuildOptions(flavour), max_batch=2, max_labels=39)
    build_engine(onnx_path, other, options, lambda _phase, _share: True, str(onnx_path))
    path.with_name("other.engine.json").replace(path.with_name("x.engine.json"))
    with pytest.raises(MismatchError, match=r"x\.engine\.json is not of this .*x\.engine but of another build"):
        TensorrtEngine.open(path)


def test_the_precision_of_an_engine_is_settled(path: Path) -> None:
    assert open_engine(EngineChoice(str(path))).precision == "fp32"
    with pytest.raises(MismatchError, match=r"x\.engine was exported in fp32"):
        open_engine(EngineChoice(str(path), precision="fp16"))


def test_precisions_are_those_of_the_layers(machine: World, path: Path) -> None:
    assert TensorrtEngine.open(path).find_precisions() == ("fp32",)
    machine.formats = "Half"
    assert TensorrtEngine.open(path).find_precisions() == ("fp32", "fp16")


def test_without_a_gpu_there_is_a_sentence(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr("lseg_engines.tensorrt.cuda_device.find_gpus", lambda: [])
    with pytest.raises(MissingError, match="runs on an NVIDIA GPU, and none was found"):
        open_engine(EngineChoice(str(path)))
