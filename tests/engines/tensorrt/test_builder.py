"""Engines are built: for real with TensorRT-RTX, which needs no GPU; and with a stand-in for the versions that do."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest

from lseg_cli.config import ModelConfig
from lseg_cli.errors import LsegError, MismatchError, MissingError
from lseg_cli.files import staged
from lseg_engines.opener import kind_of
from lseg_engines.tensorrt.builder import Cancelled, build_engine, make_profiles
from lseg_engines.tensorrt.options import BuildOptions
from lseg_engines.tensorrt.progress import Phases
from lseg_engines.tensorrt.sidecar import check_is_of, read_sidecar
from lseg_export.options import GraphOptions
from tests.engines.fake_tensorrt import World

Exporter = Callable[[ModelConfig, GraphOptions], tuple[Path, Path]]
Machine = Callable[[str], World]
FIXED, ANY_SIZE = GraphOptions(size=(64, 96)), GraphOptions()
HALF = GraphOptions(size=(64, 96), precision="fp16")
TRT, RTX = BuildOptions("trt"), BuildOptions("rtx")
TENSORRT_10, TENSORRT_11 = "tensorrt 10.16.1.11", "tensorrt 11.4.0.106"


def go_on(_phase: str, _share: float) -> bool:
    return True


@pytest.fixture
def onnx_path(pyramid_config: ModelConfig, exported: Exporter) -> Path:
    return exported(pyramid_config, FIXED)[1]


class TestReal:
    """With the real TensorRT-RTX."""

    @pytest.fixture(autouse=True)
    def needed(self) -> None:
        pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX has no package for this platform")

    @pytest.mark.parametrize("options", [FIXED, ANY_SIZE, HALF])
    def test_an_engine_and_its_sidecar_are_built(
        self, options: GraphOptions, pyramid_config: ModelConfig, exported: Exporter, tmp_path: Path
    ) -> None:
        path, shares = tmp_path / "x.engine", list[float]()

        def note(_phase: str, share: float) -> bool:
            shares.append(share)
            return True

        onnx_path = exported(pyramid_config, options)[1]
        job = replace(RTX, max_batch=3, max_labels=300, opt_labels=16)
        sidecar = build_engine(onnx_path, path, job, note, "x.onnx")
        assert kind_of(path) == "engine"
        assert sidecar == read_sidecar(path)
        check_is_of(sidecar, path)
        assert sidecar.build_id.encode() in path.read_bytes()  # the network's name, which the engine keeps
        assert sidecar.build.precision == options.precision
        assert "features" in sidecar.build.spec.outputs  # so that such an engine embeds
        assert sidecar.build.spec.max_labels == 300
        assert sidecar.build.profiles["text"] == ((1, 16), (16, 16), (300, 16))
        assert len(shares) > 50
        assert shares == sorted(shares)
        assert shares[-1] == pytest.approx(1.0, abs=0.2)
        assert str(tmp_path) not in (tmp_path / "x.engine.json").read_text()

    def test_a_vit_is_built_for_chosen_gpus(self, vit_config: ModelConfig, exported: Exporter, tmp_path: Path) -> None:
        job = replace(RTX, sm=(86, 89), max_batch=2, max_labels=8, opt_level=0, is_tf32=True)
        sidecar = build_engine(exported(vit_config, FIXED)[1], tmp_path / "x.engine", job, go_on)
        assert sidecar.build.sm == (86, 89)

    def test_fp32_is_not_built_for_turing(self, onnx_path: Path, tmp_path: Path) -> None:
        with pytest.raises(MismatchError, match=r"does not build this model for SM75: Cannot .*FP32 GEMM is not supp"):
            build_engine(onnx_path, tmp_path / "x.engine", replace(RTX, sm=(75,)), go_on)
        assert list(tmp_path.iterdir()) == []

    def test_a_gpu_it_does_not_know_is_told(self, onnx_path: Path, tmp_path: Path) -> None:
        with pytest.raises(LsegError, match="does not build for SM90; choose of 75, 80, 86, 89, 120, 121"):
            build_engine(onnx_path, tmp_path / "x.engine", replace(RTX, sm=(90,)), go_on)

    def test_a_workspace_that_is_too_small_is_told(self, onnx_path: Path, tmp_path: Path) -> None:
        with pytest.raises(MismatchError, match=r"does not build this model: .*workspace"):
            build_engine(onnx_path, tmp_path / "x.engine", replace(RTX, workspace_gib=1e-4), go_on)

    def test_a_graph_that_it_cannot_read_is_told(self, onnx_path: Path, tmp_path: Path) -> None:
        graph = onnx.load(onnx_path)
        graph.graph.node[3].op_type = "Nonsense"
        onnx.save(graph, tmp_path / "odd.onnx")
        with pytest.raises(MismatchError, match=r"TensorRT-RTX cannot read odd\.onnx: .*\(node "):
            build_engine(tmp_path / "odd.onnx", tmp_path / "x.engine", RTX, go_on)

    def test_a_graph_with_another_input_is_told(self, onnx_path: Path, tmp_path: Path) -> None:
        graph = onnx.load(onnx_path)
        graph.graph.input[1].name = "words"
        for node in graph.graph.node:
            node.input[:] = ["words" if name == "text" else name for name in node.input]
        onnx.save(graph, tmp_path / "odd.onnx")
        with pytest.raises(MismatchError, match="its inputs are image, words, not image and text"):
            build_engine(tmp_path / "odd.onnx", tmp_path / "x.engine", RTX, go_on)

    def test_a_build_can_be_cancelled(self, onnx_path: Path, tmp_path: Path) -> None:
        with pytest.raises(Cancelled), staged(tmp_path / "x.engine") as draft:
            build_engine(onnx_path, draft, RTX, lambda _phase, share: share < 0.3)
        assert list(tmp_path.iterdir()) == []


def test_a_broken_file_is_told(onnx_path: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(onnx_path.read_bytes()[:5000])
    with pytest.raises(MismatchError, match=r"broken\.onnx is damaged: it is not a complete ONNX graph"):
        build_engine(tmp_path / "broken.onnx", tmp_path / "x.engine", RTX, go_on)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (replace(RTX, opt_labels=300), "--opt-labels 300 does not lie between 1 and --max-labels 256"),
        (replace(RTX, opt_batch=0), "--opt-batch 0 does not lie between 1 and --max-batch 4"),
        (replace(RTX, opt_level=6), "--opt-level 6 is invalid; give 0 to 5"),
        (replace(RTX, workspace_gib=0.0), "--workspace 0 is invalid"),
        (replace(RTX, timing_cache="t"), "TensorRT-RTX has no --timing-cache: it goes with --trt only"),
        (replace(RTX, is_version_compatible=True), "TensorRT-RTX has no --version-compatible"),
        (replace(RTX, is_hardware_compatible=True), "TensorRT-RTX has no --hardware-compatible"),
        (replace(TRT, sm=(86,)), "TensorRT has no --sm: it goes with --rtx only"),
        (replace(RTX, max_side_px=100), "--max-size 100 is invalid; it must be a multiple of 32"),
    ],
)
def test_options_that_cannot_be_are_told_at_once(options: BuildOptions, message: str, onnx_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX has no package for this platform")
    with pytest.raises(LsegError, match=message):
        build_engine(onnx_path, Path("never"), options, go_on)


def test_few_labels_are_tuned_for_as_many(onnx_path: Path) -> None:
    assert replace(RTX, max_labels=7).labels == (1, 7, 7)
    assert RTX.labels == (1, 32, 256)


def test_a_graph_of_any_size_gets_sides_of_the_models_length(pyramid_config: ModelConfig) -> None:
    from lseg_cli.contract import GraphSpec  # noqa: PLC0415

    spec = GraphSpec(model=pyramid_config, model_sha256="")
    assert make_profiles(spec, RTX)["image"] == ((1, 32, 32, 3), (1, 96, 96, 3), (4, 96, 96, 3))
    assert make_profiles(spec, replace(RTX, max_side_px=64))["image"][1:] == ((1, 64, 64, 3), (4, 64, 64, 3))


class TestStandIn:
    """With a module that has the names of one version and no others."""

    @pytest.mark.parametrize(("version", "flags"), [(TENSORRT_10, 2), (TENSORRT_11, 0)])
    def test_types_are_those_of_the_graph(
        self, version: str, flags: int, make_machine: Machine, onnx_path: Path, tmp_path: Path
    ) -> None:
        machine = make_machine(version)
        sidecar = build_engine(onnx_path, tmp_path / "x.engine", TRT, go_on)
        if flags:
            flags = 1 << int(machine.trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
        assert machine.calls["create_network"] == [flags]
        assert machine.calls["clear_flag"] == ["TF32"]
        assert "set_flag" not in machine.calls
        assert (sidecar.build.sm, sidecar.build.gpu) == ((89,), "Fake RTX 4090")

    def test_everything_that_can_be_asked_for_is_set(
        self, make_machine: Machine, onnx_path: Path, tmp_path: Path
    ) -> None:
        machine = make_machine(TENSORRT_11)
        job = replace(
            TRT,
            workspace_gib=2.0,
            opt_level=5,
            is_tf32=True,
            is_version_compatible=True,
            is_hardware_compatible=True,
        )
        build_engine(onnx_path, tmp_path / "x.engine", job, go_on)
        assert machine.calls["set_flag"] == ["VERSION_COMPATIBLE"]
        assert machine.calls["set_memory_pool_limit"] == [("WORKSPACE", 2**31)]
        assert machine.calls["builder_optimization_level"] == [5]
        assert machine.calls["hardware_compatibility_level"] == [machine.trt.HardwareCompatibilityLevel.AMPERE_PLUS]
        assert "clear_flag" not in machine.calls

    def test_timings_are_kept_by_version_and_gpu(self, make_machine: Machine, onnx_path: Path, tmp_path: Path) -> None:
        machine = make_machine(TENSORRT_11)
        job = replace(TRT, timing_cache=str(tmp_path / "timings" / "lseg.cache"))
        build_engine(onnx_path, tmp_path / "x.engine", job, go_on)
        place = tmp_path / "timings" / "lseg.11.4.0.106.sm89.cache"
        assert place.read_bytes() == b"timings"
        build_engine(onnx_path, tmp_path / "x.engine", job, go_on)
        place.write_bytes(b"of another driver")
        build_engine(onnx_path, tmp_path / "x.engine", job, go_on)
        assert machine.calls["set_timing_cache"] == [b"", b"timings", b""]
        assert place.read_bytes() == b"timings"
        assert str(tmp_path) not in (tmp_path / "x.engine.json").read_text()

    @pytest.mark.parametrize(
        ("call", "kind", "message"),
        [
            ("parse", MismatchError, r"cannot read model\.onnx: rank < 9: Too many dimensions \(node node_resize\)"),
            ("profile", MismatchError, "TensorRT does not take these limits: No profile today"),
            ("build", MismatchError, "TensorRT does not build this model for SM89: No build today"),
            ("Builder", MissingError, r"TensorRT 11\.4\.0\.106 does not start \(No Builder today\)"),
        ],
    )
    def test_every_failure_carries_its_reason(
        self,
        call: str,
        kind: type[LsegError],
        message: str,
        make_machine: Machine,
        onnx_path: Path,
        tmp_path: Path,
    ) -> None:
        make_machine(TENSORRT_11).refused.add(call)
        with pytest.raises(kind, match=message):
            build_engine(onnx_path, tmp_path / "x.engine", TRT, go_on)
        assert list(tmp_path.iterdir()) == []

    def test_without_a_gpu_the_way_out_is_told(
        self, make_machine: Machine, onnx_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_machine(TENSORRT_11)
        monkeypatch.setattr("lseg_engines.tensorrt.builder.find_gpus", lambda: [])
        with pytest.raises(MissingError, match="and none was found; use --rtx to build here"):
            build_engine(onnx_path, Path("never"), TRT, go_on)


def test_phases_add_up() -> None:
    phases, shares = Phases(), list[float]()

    def step(name: str, number: int) -> None:
        phases.complete(name, number)
        shares.append(phases.share())

    phases.start("all", None, 2)
    phases.start("inner", "all", 4)
    for number in range(4):
        step("inner", number)
    phases.finish("inner")
    step("all", 0)
    phases.start("again", "all", 0)
    step("again", 0)
    step("unknown", 3)
    phases.finish("unknown")
    step("all", 1)
    assert shares == [0.125, 0.25, 0.375, 0.5, 0.5, 1.0, 1.0, 1.0]


def test_the_stand_in_has_no_other_names() -> None:
    """The stand-in refuses what a version has not: else these tests would prove nothing."""
    world = World(TENSORRT_11)
    config: Any = world.trt.IBuilderConfig()
    with pytest.raises(AttributeError, match="of this version has no set_compute_capability"):
        config.set_compute_capability(1, 2)
    with pytest.raises(AttributeError, match="of this version has no int8_calibrator"):
        config.int8_calibrator = None
    assert not hasattr(world.trt, "ComputeCapability")
    assert not hasattr(world.trt.BuilderFlag, "FP16")
