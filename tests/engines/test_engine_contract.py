"""What every engine promises, checked on every engine."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException

from lseg_cli.config import ModelConfig
from lseg_cli.contract import FEATURES, OUTPUTS, SCORES, Engine
from lseg_cli.engine_choice import EngineChoice
from lseg_cli.errors import LsegError, MemoryFullError, MismatchError, MissingError
from lseg_cli.files import file_sha256
from lseg_cli.model import decision
from lseg_cli.model.checkpoint import save_model
from lseg_cli.model.decoder import upsample2_each
from lseg_cli.model.lseg import build
from lseg_engines.opener import find_model, kind_of, open_engine
from lseg_engines.openvino.engine import OpenVinoEngine
from lseg_engines.ort.engine import OnnxEngine
from lseg_engines.tensorrt.builder import build_engine
from lseg_engines.tensorrt.engine import TensorrtEngine
from lseg_engines.tensorrt.options import BuildOptions
from lseg_engines.torch_engine import TorchEngine, find_device
from lseg_export.options import GraphOptions
from tests.engines.conftest import put_machine

WIDTH = 16
ANY_SIZE = GraphOptions()
Exporter = Callable[[ModelConfig, GraphOptions], tuple[Path, Path]]


def open_torch(config: ModelConfig, device: str = "cpu") -> TorchEngine:
    torch.manual_seed(0)
    model = build(config).eval()
    for module in model.modules():  # as after training: no layer passes its input on unchanged
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.bias)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
    return TorchEngine(model, "0" * 64, device)


def picture(batch: int = 1, height: int = 64, width: int = 96) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (batch, height, width, 3), np.uint8)


def words(count: int) -> NDArray[np.float32]:
    text = np.random.default_rng(1).standard_normal((count, WIDTH)).astype(np.float32)
    unit: NDArray[np.float32] = text / np.linalg.norm(text, axis=1, keepdims=True)
    return unit


@pytest.fixture(
    scope="class",
    params=[f"{kind}-{shape}" for kind in ("torch", "onnx", "openvino", "tensorrt") for shape in ("pyramid", "vit")],
)
def engine(
    request: pytest.FixtureRequest,
    pyramid_config: ModelConfig,
    vit_config: ModelConfig,
    exported: Exporter,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Engine]:
    """One of all, opened once for all tests of a class."""
    kind, shape = request.param.split("-")
    config = pyramid_config if shape == "pyramid" else vit_config
    if kind == "openvino":
        pytest.importorskip("openvino", reason="OpenVINO is not installed: pip install openvino")
    with pytest.MonkeyPatch.context() as patch:
        if kind == "torch":
            yield open_torch(config)
        elif kind == "onnx":
            yield OnnxEngine.open(exported(config, ANY_SIZE)[1], "cpu")
        elif kind == "openvino":
            yield OpenVinoEngine.open(exported(config, ANY_SIZE)[1])
        else:
            yield open_tensorrt(exported(config, ANY_SIZE)[1], tmp_path_factory.mktemp("engine"), patch)


def open_tensorrt(path: Path, folder: Path, patch: pytest.MonkeyPatch) -> TensorrtEngine:
    """With a stand-in for TensorRT's module: what is tried is all that lies around it."""
    put_machine("tensorrt 11.4.0.106", patch, folder / "cache")
    engine = folder / "x.engine"
    options = BuildOptions("trt", max_batch=3, max_labels=300, max_side_px=160)
    build_engine(path, engine, options, lambda _phase, _share: True)
    return TensorrtEngine.open(engine)


class TestEveryEngine:
    @pytest.mark.parametrize("batch", [1, 3])
    @pytest.mark.parametrize("count", [1, 2, 3, 150, 257])
    def test_shapes_and_types(self, engine: Engine, count: int, batch: int) -> None:
        tensors = engine.run(picture(batch), words(count), OUTPUTS)
        assert tensors["logits"].shape == (batch, count, 64, 96)
        assert tensors["scores"].shape == (batch, count, 32, 48)
        assert tensors["mask"].shape == tensors["confidence"].shape == (batch, 64, 96)
        types = {name: tensor.dtype for name, tensor in tensors.items()}
        assert types == {
            "logits": np.float32,
            "mask": np.int32,
            "confidence": np.float32,
            "scores": np.float32,
            "features": np.float16,
        }

    def test_mask_and_confidence_are_those_of_the_logits(self, engine: Engine) -> None:
        tensors = engine.run(picture(2), words(7), ("logits", "mask", "confidence"))
        logits = tensors["logits"].astype(np.float64)
        softmax = np.exp(logits - logits.max(1, keepdims=True))
        softmax /= softmax.sum(1, keepdims=True)
        assert np.array_equal(tensors["mask"], tensors["logits"].argmax(1))
        assert np.abs(tensors["confidence"] - softmax.max(1)).max() < 1e-5

    def test_scores_are_the_logits_at_half_the_size(self, engine: Engine) -> None:
        found = engine.run(picture(2), words(5), ("scores", "logits"))
        scores, logits = (torch.from_numpy(found[name]) for name in ("scores", "logits"))
        assert (upsample2_each(scores) - logits).abs().max() < 1e-5

    def test_features_come_with_the_scores_and_change_none(self, engine: Engine) -> None:
        both = engine.run(picture(2), words(3), ("scores", "features"))
        assert np.array_equal(both["scores"], engine.run(picture(2), words(3), SCORES)["scores"])
        features = both["features"]
        assert features.dtype == np.float16
        assert features.shape == (2, WIDTH, 16, 24)
        assert np.array_equal(features, engine.run(picture(2), words(7), FEATURES)["features"])
        assert np.abs(features).max((1, 2, 3)).tolist() == [1, 1]
        assert not np.array_equal(features[0], features[1])

    def test_only_what_is_asked_for_comes_back(self, engine: Engine) -> None:
        assert list(engine.run(picture(), words(2), {"mask"})) == ["mask"]

    def test_equal_labels_give_the_lower_index(self, engine: Engine) -> None:
        mask = engine.run(picture(), np.repeat(words(3), 2, axis=0), {"mask"})["mask"]
        assert set(np.unique(mask)) <= {0, 2, 4}

    @pytest.mark.parametrize("count", [3, 150])
    def test_the_order_of_labels_does_not_matter(self, engine: Engine, count: int) -> None:
        order = np.random.default_rng(2).permutation(count)
        logits = engine.run(picture(), words(count), {"logits"})["logits"]
        permuted = engine.run(picture(), words(count)[order], {"logits"})["logits"]
        assert np.array_equal(permuted, logits[:, order])

    def test_a_picture_does_not_depend_on_its_neighbours(self, engine: Engine) -> None:
        both = engine.run(picture(2), words(3), {"logits"})["logits"].astype(np.float64)
        alone = engine.run(picture(2)[1:], words(3), {"logits"})["logits"].astype(np.float64)
        assert np.abs(both[1:] - alone).max() < 1e-3

    @pytest.mark.parametrize(("height", "width"), [(32, 32), (96, 64), (32, 160)])
    def test_sides_are_any_multiples_of_32(self, engine: Engine, height: int, width: int) -> None:
        logits = engine.run(picture(1, height, width), words(2), {"logits"})["logits"]
        assert logits.shape == (1, 2, height, width)

    @pytest.mark.parametrize(
        ("image", "text", "message"),
        [
            (picture(1, 64, 100), words(2), "64 x 100 pixels; both sides must be multiples of 32"),
            (picture()[0], words(2), r"uint8 \(64, 96, 3\); it must be uint8 \(B, H, W, 3\)"),
            (picture()[:0], words(2), r"\(0, 64, 96, 3\)"),
            (picture().transpose(0, 3, 1, 2), words(2), r"\(1, 3, 64, 96\)"),
            (picture().astype(np.float32), words(2), "The image is float32"),
            (picture(), words(2)[:, :8], r"float32 \(2, 8\); it must be float32 \(N, 16\)"),
            (picture(), words(2)[:0], r"\(0, 16\)"),
            (picture(), words(2)[0], r"\(16,\)"),
            (picture(), words(2).astype(np.float64), "The text is float64"),
        ],
    )
    def test_what_does_not_fit_is_refused(
        self, engine: Engine, image: NDArray[np.uint8], text: NDArray[np.float32], message: str
    ) -> None:
        with pytest.raises(MismatchError, match=message):
            engine.run(image, text, {"logits"})

    def test_it_says_what_it_is(self, engine: Engine) -> None:
        assert engine.device == "cpu"
        assert engine.precision == "fp32"
        assert engine.spec.model.text.width == WIDTH
        assert len(engine.spec.model_sha256) == 64


class TestTorch:
    def test_logits_are_the_models(self, pyramid_config: ModelConfig) -> None:
        torch.manual_seed(0)
        config = pyramid_config.model_copy(
            update={"image": pyramid_config.image.model_copy(update={"mean": (0.1, 0.5, 0.7), "std": (0.2, 0.3, 0.4)})}
        )
        model = build(config).eval()
        pixels = torch.from_numpy(picture()).permute(0, 3, 1, 2) / 255 - torch.tensor([0.1, 0.5, 0.7])[:, None, None]
        with torch.inference_mode():
            expected = model(pixels / torch.tensor([0.2, 0.3, 0.4])[:, None, None], torch.from_numpy(words(3))).numpy()
        logits = TorchEngine(model, "").run(picture(), words(3), {"logits"})["logits"].astype(np.float64)
        assert np.abs(logits - expected).max() < 1e-3

    @pytest.mark.parametrize("device", ["cuda:77", "cuda:x", "tpu", "", "mps:3"])
    def test_a_device_that_is_not_there_is_told(self, device: str) -> None:
        with pytest.raises(MissingError, match=rf"The device '{device}' was not found; available are cpu"):
            find_device(device)

    @pytest.mark.parametrize("precision", ["fp16", "bf16"])
    def test_half_precision_needs_cuda(self, precision: str, pyramid_config: ModelConfig) -> None:
        with pytest.raises(MissingError, match=f"{precision} needs a CUDA device; on cpu use --precision fp32"):
            TorchEngine(build(pyramid_config), "", "cpu", precision)

    def test_a_precision_nobody_knows_is_told(self, pyramid_config: ModelConfig) -> None:
        with pytest.raises(LsegError, match="'int4' is not known; choose one of fp32, fp16, bf16"):
            TorchEngine(build(pyramid_config), "", "cpu", "int4")

    @pytest.mark.parametrize("labels", [1, 7, 300])
    def test_the_winner_is_the_same_of_some_labels_at_a_time(
        self, labels: int, pyramid_config: ModelConfig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        engine = open_torch(pyramid_config)
        whole = engine.run(picture(2), words(labels), ("logits", "mask", "confidence"))
        monkeypatch.setattr(decision, "_MOST_LOGITS", 2 * 64 * 96 * 3)
        parts = engine.run(picture(2), words(labels), ("mask", "confidence"))
        assert np.array_equal(parts["mask"], whole["logits"].argmax(1))
        one, other = (found["confidence"].astype(np.float64) for found in (parts, whole))
        assert np.abs(one - other).max() < 1e-5

    def test_full_memory_costs_one_picture(self, pyramid_config: ModelConfig, monkeypatch: pytest.MonkeyPatch) -> None:
        engine = open_torch(pyramid_config)

        def refuse(*_: object) -> None:
            raise torch.OutOfMemoryError("CUDA out of memory")

        monkeypatch.setattr(engine, "_scores", refuse)
        with pytest.raises(
            MemoryFullError, match="memory of cpu is full at 64x96 pixels with 2 labels; take a smaller"
        ):
            engine.run(picture(), words(2), {"mask"})

    @pytest.mark.gpu
    @pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
    @pytest.mark.parametrize(("precision", "limit"), [("fp32", 2e-2), ("fp16", 0.5), ("bf16", 2.0)])
    def test_cuda_agrees_with_the_cpu(self, precision: str, limit: float, pyramid_config: ModelConfig) -> None:
        cpu = open_torch(pyramid_config)
        cuda = TorchEngine(build(pyramid_config), "", "cuda", precision)
        cuda._model.load_state_dict(cpu._model.state_dict())
        logits = [each.run(picture(), words(3), {"logits"})["logits"].astype(np.float64) for each in (cpu, cuda)]
        difference = np.abs(logits[0] - logits[1]).max()
        assert difference < limit, f"The greatest difference is {difference}."


class TestOpening:
    def test_a_saved_model_is_opened(self, pyramid_config: ModelConfig, tmp_path: Path) -> None:
        path = tmp_path / "tiny.safetensors"
        save_model(build(pyramid_config), path)
        engine = open_engine(EngineChoice(str(path)))
        assert engine.spec.model == pyramid_config
        assert engine.spec.model_sha256 == file_sha256(path)

    def test_a_file_that_is_not_there_is_told(self) -> None:
        with pytest.raises(
            LsegError, match="There is no model 'lseg-tony'; give lseg-tiny, a name of lseg models, or the path of"
        ):
            find_model("lseg-tony")

    @pytest.mark.parametrize("content", [b"", b"hello, world, hello", b"\x08", b"trt" + b"\0" * 20])
    def test_a_file_that_is_no_model_is_told(self, content: bytes, tmp_path: Path) -> None:
        path = tmp_path / "model.onnx"
        path.write_bytes(content)
        with pytest.raises(MismatchError, match="neither a safetensors nor an ONNX file"):
            open_engine(EngineChoice(str(path), device="cpu"))

    def test_a_file_is_told_by_its_content(
        self, pyramid_config: ModelConfig, exported: Exporter, tmp_path: Path
    ) -> None:
        source, path = exported(pyramid_config, ANY_SIZE)
        for number, (file, kind) in enumerate([(source, "safetensors"), (path, "onnx")]):
            renamed = tmp_path / f"model{number}.bin"
            renamed.write_bytes(file.read_bytes())
            assert kind_of(renamed) == kind
            assert open_engine(EngineChoice(str(renamed), device="cpu", threads=1)).spec.model == pyramid_config

    def test_the_precision_of_an_onnx_file_is_settled(self, pyramid_config: ModelConfig, exported: Exporter) -> None:
        path = exported(pyramid_config, ANY_SIZE)[1]
        with pytest.raises(MismatchError, match="was exported in fp32; to run it in fp16, export it again"):
            open_engine(EngineChoice(str(path), device="cpu", precision="fp16"))


class TestOnnx:
    @pytest.mark.parametrize("threads", [1, 2, None])
    def test_it_answers_as_pytorch(self, threads: int | None, pyramid_config: ModelConfig, exported: Exporter) -> None:
        source, path = exported(pyramid_config, ANY_SIZE)
        engines = (TorchEngine.open(source, "cpu"), OnnxEngine.open(path, "cpu", threads))
        ours, theirs = (each.run(picture(2), words(7), ("logits", "mask")) for each in engines)
        difference = np.abs(np.subtract(ours["logits"], theirs["logits"])).max()
        assert difference < 1e-4, f"The greatest difference is {difference}."
        assert (ours["mask"] == theirs["mask"]).mean() > 0.9999

    def test_what_nobody_asks_for_is_cut_off(self, pyramid_config: ModelConfig, exported: Exporter) -> None:
        path = exported(pyramid_config, ANY_SIZE)[1]
        whole, part = OnnxEngine.open(path, "cpu"), OnnxEngine.open(path, "cpu", outputs=SCORES)
        assert part.spec == whole.spec.model_copy(update={"outputs": ("scores",)})
        ours, theirs = (each.run(picture(2), words(7), SCORES)["scores"] for each in (whole, part))
        assert np.abs(np.subtract(ours, theirs)).max() < 1e-5

    def test_binding_gives_what_running_gives(self, pyramid_config: ModelConfig, exported: Exporter) -> None:
        """On CUDA tensors are bound; the same calls work on the CPU."""
        engine = OnnxEngine.open(exported(pyramid_config, ANY_SIZE)[1], "cpu")
        expected = engine.run(picture(2), words(3), ("mask", "confidence"))
        engine._is_on_host = False
        bound = engine.run(picture(2), words(3), ("mask", "confidence"))
        assert list(bound) == ["mask", "confidence"]
        assert all(np.array_equal(expected[name], bound[name]) for name in bound)

    def test_what_is_no_graph_is_told(self, tmp_path: Path) -> None:
        path = tmp_path / "broken.onnx"
        path.write_bytes(b"\x08\x0a" + b"nonsense" * 4)
        with pytest.raises(MismatchError, match="is damaged: it is not a complete ONNX graph"):
            OnnxEngine.open(path, "cpu")

    def test_a_graph_of_another_tool_is_told(
        self, pyramid_config: ModelConfig, exported: Exporter, tmp_path: Path
    ) -> None:
        graph = onnx.load(exported(pyramid_config, ANY_SIZE)[1])
        del graph.metadata_props[:]
        onnx.save(graph, tmp_path / "other.onnx")
        with pytest.raises(MismatchError, match="does not say what it is: `lseg export` did not write it"):
            OnnxEngine.open(tmp_path / "other.onnx", "cpu")

    @pytest.mark.parametrize("device", ["mps", "tpu", "", "cpu:1", "cuda:x"])
    def test_a_device_nobody_offers_is_told(self, device: str, tmp_path: Path) -> None:
        with pytest.raises(
            MissingError, match=f"The device '{device}' is none of this ONNX Runtime's, which are .*cpu"
        ):
            OnnxEngine.open(tmp_path, device)

    @pytest.mark.skipif(torch.cuda.is_available(), reason="here CUDA works")
    def test_a_provider_that_does_not_load_is_no_cpu(
        self,
        pyramid_config: ModelConfig,
        exported: Exporter,
        monkeypatch: pytest.MonkeyPatch,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr(
            onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
        )
        path = exported(pyramid_config, ANY_SIZE)[1]
        with pytest.raises((MissingError, MismatchError), match=r"cuda:0|CUDA"):
            OnnxEngine.open(path, "cuda")
        assert capfd.readouterr() == ("", "")

    def test_auto_is_the_cpu_where_there_is_no_gpu(
        self, pyramid_config: ModelConfig, exported: Exporter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("lseg_engines.ort.engine.find_gpus", lambda: [])
        assert OnnxEngine.open(exported(pyramid_config, ANY_SIZE)[1]).device == "cpu"

    def test_one_size_takes_no_other(self, pyramid_config: ModelConfig, exported: Exporter) -> None:
        engine = OnnxEngine.open(exported(pyramid_config, GraphOptions(size=(64, 96)))[1], "cpu")
        assert engine.run(picture(), words(2), {"mask"})["mask"].shape == (1, 64, 96)
        with pytest.raises(MismatchError, match="64 x 64 pixels; this engine takes 64 x 96"):
            engine.run(picture(1, 64, 64), words(2), {"mask"})

    def test_full_memory_costs_one_picture(self, pyramid_config: ModelConfig, exported: Exporter) -> None:
        engine = OnnxEngine.open(exported(pyramid_config, ANY_SIZE)[1], "cpu")

        class FullSession:
            def run(self, *_: object) -> None:
                raise RuntimeException("[ONNXRuntimeError] : 6 : bad allocation")

        engine._session = FullSession()
        with pytest.raises(
            MemoryFullError, match="memory of cpu is full at 64x96 pixels with 2 labels; take a smaller"
        ):
            engine.run(picture(), words(2), {"mask"})
