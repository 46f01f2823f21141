"""A folder of small photographs, a workbench on it, and the page in a real browser."""

import gc
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from lseg_cli.app.options import AppOptions
from lseg_cli.app.server import address_of, listen, make_server, workplace
from lseg_cli.app.workbench import Workbench

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

LABELS = "sky, building, tree"
COUNT = 10  # pictures of the folder
# Gradio leaves event loops open, which is told whenever they are collected.
GRADIOS_WARNINGS = [
    pytest.mark.filterwarnings(f"ignore::{kind}")
    for kind in ("DeprecationWarning", "ResourceWarning", "pytest.PytestUnraisableExceptionWarning")
]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to start the app in, with ten pictures in `photos`."""
    folder = tmp_path_factory.mktemp("app")
    (folder / "photos").mkdir()
    china, flower = (Image.fromarray(load_sample_image(f"{name}.jpg")) for name in ("china", "flower"))
    for number in range(COUNT):
        picture = (china, flower)[number % 2].resize((160 + 8 * number, 120))
        picture.save(folder / "photos" / f"{number}.jpg")
    return folder


@pytest.fixture(scope="module")
def bench(start: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """A workbench in that folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(start)
        made = Workbench(AppOptions(paths=("photos",), labels=LABELS), tmp_path_factory.mktemp("work"))
        yield made
        made.close()


@dataclass(frozen=True)
class Served:
    """The page on this machine."""

    address: str
    bench: Workbench
    folder: Path


@contextmanager
def opened(options: AppOptions) -> Iterator[Served]:
    """The page, served by this process."""
    with workplace() as folder, listen(options) as listener:
        made = Workbench(options, folder)
        server = make_server(made)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield Served(address_of(listener, options.host), made, made.start)
        finally:
            server.should_exit = True
            thread.join()
            made.close()
            del server
            gc.collect()  # while its warnings are expected


def _other_model(folder: Path) -> tuple[str, ...]:
    """lseg-tiny, but for its first layer: as quick, and of another opinion. None where it cannot be made."""
    if find_spec("onnx") is None:
        return ()
    import onnx  # noqa: PLC0415  an extra

    model = onnx.load(str(files("lseg_cli") / "weights" / "lseg-tiny.onnx"))
    first = model.graph.initializer[0]
    first.raw_data = (np.frombuffer(first.raw_data, np.float16) / 2).astype(np.float16).tobytes()
    (written,) = (entry for entry in model.metadata_props if entry.key == "lseg.spec")
    spec = json.loads(written.value)
    spec["model"]["name"], spec["model_sha256"] = "other-tiny", "0" * 64
    written.value = json.dumps(spec)
    onnx.save(model, folder / "other.onnx")
    return ("other.onnx",)


@pytest.fixture(scope="module")
def served(start: Path) -> Iterator[Served]:
    """The page with the ten pictures and two models."""
    pytest.importorskip("gradio", reason="needs the gradio package (the extra app)")
    other = _other_model(start)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(start)
        with opened(AppOptions(paths=("photos",), labels=LABELS, port=0, compare=other)) as page:
            yield page


@pytest.fixture(scope="module")
def browser() -> "Iterator[BrowserContext]":
    """Debian's chromium with a camera and a clipboard; its pages share what it keeps of scripts."""
    api = pytest.importorskip("playwright.sync_api", reason="needs the playwright package")
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("needs the program chromium (apt-get install chromium)")
    options = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
    options += ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with api.sync_playwright() as driver:
        made = driver.chromium.launch(executable_path=program, args=options)
        yield made.new_context(permissions=["clipboard-read", "clipboard-write", "camera"])
        made.close()


def pixels_of(path: Path) -> "np.typing.NDArray[np.uint8]":
    with Image.open(path) as image:
        return np.asarray(image)
