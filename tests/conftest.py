"""What many tests need: tiny models, and a folder of pictures with masks."""

import hashlib
import json
import logging
import os
import platform
import secrets
import sys
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
import torch
from filelock import FileLock
from hypothesis import settings
from PIL import Image

from lseg_cli.config import EncoderConfig, ImageConfig, ModelConfig, RegularizerConfig, TextConfig
from lseg_cli.files import staged
from lseg_cli.model.checkpoint import save_model
from lseg_cli.model.lseg import build
from lseg_cli.model.published import conversion
from lseg_cli.model.published.names import original_name
from lseg_export.onnx_file import export_onnx
from lseg_export.options import GraphOptions

# A busy machine, or one that measures coverage, is not a slow function.
settings.register_profile("project", deadline=None)
settings.load_profile("project")

CLASSES = ("sky", "road", "car")
COLOURS = np.array([[90, 160, 240], [110, 110, 110], [200, 30, 30]], np.uint8)
HEIGHT_PX, WIDTH_PX = 64, 96
ROOT = Path(__file__).parents[1]

# Tests run side by side, a process per core: threads beyond that only wait for each other.
if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)


def pytest_configure(config: pytest.Config) -> None:
    """Before the processes side by side start, for their NumPy reads it when it is imported."""
    if config.getoption("numprocesses", None):
        os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or fills the caches of who runs it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LSEG_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def exporter_is_not_traced() -> Iterator[None]:
    """Coverage asks at each of its fifty million calls whether the file counts: that takes as long as the export."""
    export = torch.onnx.export

    def untraced(*arguments: Any, **options: Any) -> Any:
        trace = sys.gettrace()
        sys.settrace(None)
        try:
            return export(*arguments, **options)
        finally:
            sys.settrace(trace)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.onnx, "export", untraced)
        yield


@pytest.fixture(scope="session")
def vit_config() -> ModelConfig:
    """A plain ViT of 6 blocks, patches of 16 pixels; 16 channels wide where the paper has 512."""
    return ModelConfig(
        name="tiny-vit",
        encoder=EncoderConfig(kind="vit", name="test_vit", taps=(1, 2, 3, 5), channels=(8, 8, 16, 16)),
        decoder_width=8,
        text=TextConfig(kind="words", name="words", width=16),
        image=ImageConfig(long_side_px=96),
    )


@pytest.fixture(scope="session")
def pyramid_config() -> ModelConfig:
    """A convolutional pyramid of 80,000 parameters, with a regulariser."""
    return ModelConfig(
        name="tiny-pyramid",
        encoder=EncoderConfig(kind="pyramid", name="test_efficientnet", taps=(1, 2, 3, 4)),
        decoder_width=8,
        regularizer=RegularizerConfig(kind="bottleneck", depth=2),
        text=TextConfig(kind="words", name="words", width=16),
        image=ImageConfig(long_side_px=96),
    )


@pytest.fixture
def official(
    vit_config: ModelConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, torch.Tensor]]:
    """Makes the state dict of a checkpoint of the original project, of a variant as tiny as the tests' models.

    The variant and its CLIP text tower, 16 wide, are made known to `lseg convert`.
    """
    folder = tmp_path / "clip"
    folder.mkdir()
    tower = {"context_length": 10, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
    vision = {"image_size": 32, "patch_size": 16, "width": 64, "layers": 1}
    facts = {"embed_dim": 16, "quick_gelu": True, "vision_cfg": vision, "text_cfg": tower}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": facts, "preprocess_cfg": {}}))
    name = f"local-dir:{folder}"
    monkeypatch.setenv("LSEG_TEXT_ENCODERS", str(folder))  # a model names it, and it lies elsewhere
    mark = "net.pretrained.model.patch_embed.proj.weight"
    monkeypatch.setattr(conversion, "VARIANTS", [conversion.Variant("clip_tiny", mark, (64, 3, 16, 16), vit_config)])
    monkeypatch.setattr(conversion, "TOWERS", {(64, 3, 16, 16): name})

    def make(regularizer: RegularizerConfig | None = None, half_clip: bool = False) -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        config = vit_config.model_copy(update={"regularizer": regularizer or RegularizerConfig()})
        state = {str(original_name(key)): tensor for key, tensor in build(config).state_dict().items()}
        for part in ("norm.weight", "head.weight"):
            state[f"net.pretrained.model.{part}"] = torch.randn(64)
        state["net.scratch.refinenet4.resConfUnit1.conv1.weight"] = torch.randn(8, 8, 3, 3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import open_clip  # noqa: PLC0415  seconds

            clip = open_clip.create_model(name, load_weights=False)
        for key, tensor in clip.state_dict().items():
            state[f"net.clip_pretrained.{key}"] = tensor.half() if half_clip and tensor.ndim > 1 else tensor
        return state

    return make


@pytest.fixture
def mini(tmp_path: Path) -> Path:
    """The dataset.yaml of six pictures, four to train on: sky above a road, with a car and a border to be ignored."""
    root = tmp_path / "mini"
    for index, split in enumerate(["train"] * 4 + ["val"] * 2):
        random = np.random.default_rng(index)
        ids = np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8)
        ids[random.integers(24, 40) :] = 1
        top, left = random.integers(8, 40), random.integers(8, 64)
        ids[top : top + 16, left : left + 24] = 2
        picture = COLOURS[ids] + random.integers(0, 16, (HEIGHT_PX, WIDTH_PX, 3), np.uint8)
        ids[:, :3] = 255
        for kind, pixels in (("images", picture), ("masks", ids)):
            folder = root / kind / split
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / f"{index}.png")
    (root / "dataset.yaml").write_text(
        "name: mini\n"
        "splits:\n"
        "  train: {images: images/train, masks: masks/train}\n"
        "  val: {images: images/val, masks: masks/val}\n"
        f"classes: [{', '.join(CLASSES)}]\n"
    )
    return root / "dataset.yaml"


class Bucket:
    """A bucket of an S3 server on this machine."""

    def __init__(self, server: str, name: str) -> None:
        self._server = server
        self.name = name
        self._send("PUT", "")

    def address(self, path: str = "") -> str:
        return f"s3://{self.name}{path and '/'}{path}?endpoint_override={self._server}&scheme=http"

    def put(self, key: str, data: bytes) -> None:
        self._send("PUT", f"/{quote(key)}", data)

    def delete(self, key: str) -> None:
        self._send("DELETE", f"/{quote(key)}")

    def fill(self, folder: Path) -> None:
        """With the files of a folder, below its name."""
        for path in folder.rglob("*"):
            if path.is_file():
                self.put(path.relative_to(folder.parent).as_posix(), path.read_bytes())

    def _send(self, method: str, path: str, data: bytes = b"") -> None:
        url = f"http://{self._server}/{self.name}{path}"
        headers = {"Content-Type": "application/octet-stream", "Authorization": "AWS any:any"}
        urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method)).close()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """Host and port."""
    pytest.importorskip("pyarrow", reason="needs the pyarrow package (the extra ray)")
    moto = pytest.importorskip("moto.server", reason="needs the moto package")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = moto.ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """An empty one."""
    for name, value in {"ACCESS_KEY_ID": "any", "SECRET_ACCESS_KEY": "any", "EC2_METADATA_DISABLED": "true"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    return Bucket(s3_server, f"pictures-{secrets.token_hex(4)}")


def _made_of() -> str:
    """All that decides what an exported graph is, as a hash."""
    packages = sorted({f"{each.name} {each.version}" for each in distributions()})
    digest = hashlib.sha256("\n".join([platform.platform(), sys.version, *packages]).encode())
    folders = ROOT / "lseg_cli" / "model", ROOT / "export"
    sources = [path for folder in folders for path in folder.rglob("*.py")]
    for path in sorted([*sources, *ROOT.glob("lseg_cli/*.py"), Path(__file__)]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first: what is long must not be the last that one process does while others wait."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def exported(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Callable[[ModelConfig, GraphOptions], tuple[Path, Path]]:
    """Makes a model of random weights and exports it, once for all tests: its `.safetensors` and its `.onnx` file.

    Processes that run tests side by side share what one of them has exported, and so do later runs, as long as nothing
    changes that a graph is made of.
    """
    if getattr(request.config, "cache", None):  # there is none with `-p no:cacheprovider`
        folder = request.config.cache.mkdir(f"exported-{_made_of()}")
    else:
        folder = tmp_path_factory.mktemp("exported")

    @cache
    def export(config: ModelConfig, options: GraphOptions) -> tuple[Path, Path]:
        key = hashlib.sha256(f"{config!r} {options!r}".encode()).hexdigest()[:16]
        source, path = folder / key / "model.safetensors", folder / key / "model.onnx"
        with FileLock(folder / f"{key}.lock"):
            if not path.exists():
                torch.manual_seed(0)
                model = build(config)
                for module in model.modules():  # as after training: no layer passes its input on unchanged
                    if isinstance(module, torch.nn.BatchNorm2d):
                        torch.nn.init.normal_(module.bias)
                        torch.nn.init.uniform_(module.weight, 0.5, 1.5)
                save_model(model, source)
                with staged(path) as draft:
                    export_onnx(source, draft, options)
        return source, path

    return export
