"""`lseg segment --save embeddings`: what `lseg embed` writes, of the pass that makes the masks."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image
from torch import Tensor

from lseg_cli.config import ModelConfig
from lseg_cli.contract import GraphSpec
from lseg_cli.inference.embedding import Embedding, read_embedding
from lseg_cli.model.lseg import LSeg
from lseg_cli.runs.ray import cluster
from lseg_export.options import GraphOptions
from tests.command_line import lseg

LABELS = "house, sky, other"
NAMES = ("a", "sub/b", "wide")


def segment(*arguments: str, labels: str = LABELS) -> int:
    return lseg("segment", "in", "-l", labels, *arguments)


def masks(folder: str) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in Path(folder, "masks").rglob("*.png")}


def embeddings(folder: str) -> dict[str, Embedding]:
    return {name: read_embedding(Path(folder, "embeddings", f"{name}.safetensors")) for name in NAMES}


@pytest.fixture(autouse=True)
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three photographs in the current folder, one of them displayed upright, for the bundled model: it sees things."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LSEG_CACHE", str(tmp_path / "cache"))
    photo = Image.fromarray(load_sample_image("china.jpg"))
    Path("in/sub").mkdir(parents=True)
    photo.resize((120, 80)).save("in/a.png")
    photo.resize((160, 40)).save("in/wide.png")
    turned = Image.Exif()
    turned[0x0112] = 6
    photo.resize((130, 90)).save("in/sub/b.jpg", exif=turned)


def test_files_are_those_of_embed() -> None:
    assert segment("--save", "embeddings") == lseg("embed", "in", "-o", "feats") == 0
    found, expected = embeddings("out"), embeddings("feats")
    assert found["sub/b"].info.picture_px == (130, 90)
    for name in NAMES:
        assert found[name].info == expected[name].info
        assert found[name].array.dtype == np.float16
        assert np.array_equal(found[name].array, expected[name].array)
        paths = (Path(folder, "embeddings", f"{name}.safetensors") for folder in ("out", "feats"))
        assert len({path.read_bytes() for path in paths}) == 1


@pytest.mark.parametrize("more", [(), ("--batch", "3"), ("--save", "conf,probs")])
def test_masks_are_those_of_a_run_without(more: tuple[str, ...]) -> None:
    assert segment("-o", "plain", *more) == segment("--save", "embeddings", *more) == 0
    assert len(masks("plain")) == 3
    assert masks("out") == masks("plain")
    with Image.open("out/masks/a.png") as mask:
        assert len(np.unique(np.asarray(mask))) > 1
    lines = [json.loads(line) for line in Path("out/results.jsonl").read_text().splitlines()]
    assert [line["files"]["embeddings"] for line in lines] == [f"embeddings/{name}.safetensors" for name in NAMES]


def test_batches_give_each_picture_its_own() -> None:
    for number in range(4):
        Image.fromarray(load_sample_image("flower.jpg")).rotate(90 * number).resize((96, 64)).save(f"in/{number}.png")
    assert segment("-o", "one", "--save", "embeddings") == 0
    assert segment("-o", "many", "--save", "embeddings", "--batch", "3") == 0
    paths = sorted(Path("one/embeddings").rglob("*.safetensors"))
    assert len(paths) == 7
    for path in paths:
        one, other = (read_embedding(each) for each in (path, "many" / path.relative_to("one")))
        assert other.info == one.info
        assert np.abs(np.subtract(other.array, one.array, dtype=np.float32)).max() < 2e-3


def test_the_image_encoder_runs_once_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    features, batches = LSeg.features, list[int]()

    def counted(self: LSeg, pixels: Tensor) -> Tensor:
        batches.append(len(pixels))
        return features(self, pixels)

    monkeypatch.setattr(LSeg, "features", counted)
    assert segment("--save", "embeddings", "--engine", "torch") == 0
    assert sum(batches) == 3


def test_relabel_takes_the_folder() -> None:
    assert segment("--save", "embeddings", "--format", "npy", "-o", "first") == 0
    assert lseg("relabel", "first", "-l", "tree, water, building, sky", "-o", "new", "--save", "overlay") == 0
    assert segment("-o", "old", labels="tree, water, building, sky") == 0
    assert set(masks("new")) == set(masks("old"))
    for name in NAMES:
        with Image.open(f"new/masks/{name}.png") as new, Image.open(f"old/masks/{name}.png") as old:
            assert (np.asarray(new) == np.asarray(old)).mean() > 0.99  # float16
        assert Path(f"new/overlays/{name}.jpg").exists()


def test_relabel_writes_what_segment_writes() -> None:
    more = ("--save", "conf,probs", "--format", "npy,csv", "--top-k", "2", "--min-margin", "0.1", "--palette", "none")
    assert segment("--save", "embeddings", "-o", "first") == segment("-o", "old", *more) == 0
    assert lseg("relabel", "first", "-l", LABELS, "-o", "new", *more) == 0
    names = {path.relative_to("old").as_posix() for path in Path("old").rglob("*") if path.is_file()}
    assert {path.relative_to("new").as_posix() for path in Path("new").rglob("*") if path.is_file()} == names
    with np.load("new/topk/a.npz") as best:
        assert best["ids"].shape == (2, 80, 120)
    assert np.load("new/probs/a.npy").shape == np.load("old/probs/a.npy").shape
    with Image.open("new/masks/a.png") as mask:
        assert mask.mode == "L"
        assert np.array_equal(np.asarray(mask), np.load("new/npy/a.npy"))


class TestGoingOn:
    def test_an_embedding_that_is_gone_is_made_again(self) -> None:
        assert segment("--save", "embeddings") == 0
        whole = embeddings("out")
        Path("out/embeddings/sub/b.safetensors").unlink()
        before = Path("out/embeddings/a.safetensors").stat().st_mtime_ns
        assert segment("--save", "embeddings") == 0
        assert np.array_equal(embeddings("out")["sub/b"].array, whole["sub/b"].array)
        assert Path("out/embeddings/a.safetensors").stat().st_mtime_ns == before

    def test_what_a_killed_run_left_half_written_goes(self) -> None:
        assert segment("--save", "embeddings") == 0
        Path("out/embeddings/sub/.12-34.tmp").write_text("half")
        assert segment("--save", "embeddings") == 0
        assert sorted(path.name for path in Path("out/embeddings").rglob("*") if path.is_file()) == [
            "a.safetensors", "b.safetensors", "wide.safetensors",
        ]  # fmt: skip

    def test_a_run_without_keeps_them(self) -> None:
        assert segment("--save", "embeddings") == 0
        whole = {path: path.read_bytes() for path in Path("out/embeddings").rglob("*.safetensors")}
        assert segment() == 0
        assert {path: path.read_bytes() for path in Path("out/embeddings").rglob("*.safetensors")} == whole
        assert not Path("out/previous-1").exists()

    def test_overwriting_removes_them(self) -> None:
        assert segment("--save", "embeddings") == segment("--overwrite") == 0
        assert not list(Path("out").rglob("*.safetensors"))

    def test_those_of_somebody_else_are_not_replaced(self, capsys: pytest.CaptureFixture[str]) -> None:
        Path("out/embeddings").mkdir(parents=True)
        Path("out/embeddings/a.safetensors").write_text("theirs")
        assert segment("--save", "embeddings") == 2
        assert "out/embeddings is not empty and not of an earlier run" in capsys.readouterr().err


class TestRefusals:
    @pytest.mark.parametrize("more", [(), ("--ray", "local")])
    def test_a_model_of_an_earlier_version_is_refused_before_anything_is_written(
        self,
        more: tuple[str, ...],
        exported: Callable[[ModelConfig, GraphOptions], tuple[Path, Path]],
        pyramid_config: ModelConfig,
        word_width: int,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr(cluster, "PACKAGE", "json")
        text = pyramid_config.text.model_copy(update={"width": word_width})
        path = exported(pyramid_config.model_copy(update={"text": text}), GraphOptions())[1]
        graph = onnx.load(path)
        spec = GraphSpec.from_metadata({each.key: each.value for each in graph.metadata_props}, "")
        del graph.graph.output[4]
        old = spec.model_copy(update={"outputs": ("logits", "mask", "confidence", "scores")})
        onnx.helper.set_model_props(graph, old.to_metadata())
        onnx.save(graph, "old.onnx")
        assert segment("-m", "old.onnx", "--save", "embeddings", *more) == 5
        assert "an earlier version" in " ".join(capsys.readouterr().err.split())
        assert not Path("out").exists()

    def test_tiles_have_none(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert segment("--save", "embeddings", "--tile", "64") == 2
        assert "--save embeddings needs the whole picture" in capsys.readouterr().err
        assert not Path("out").exists()

    def test_relabel_saves_none(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert segment("--save", "embeddings") == 0
        assert lseg("relabel", "out", "-l", LABELS, "-o", "new", "--save", "embeddings") == 2
        assert "--save embeddings is not known; choose from overlay, cutout, conf, probs." in capsys.readouterr().err
        assert not Path("new").exists()


def test_many_labels_are_segmented_and_relabelled_alike() -> None:
    """Beyond 64 labels both drop what cannot win, from the same features."""
    assert segment("--save", "embeddings", labels="words:80") == 0
    assert lseg("relabel", "out", "-l", "words:80", "-o", "again") == 0
    found = masks("out")
    assert found
    assert found == masks("again")
    assert segment("--save", "conf", "-o", "scored", labels="words:80") == 0  # all labels are scored for a softmax
    for name, data in masks("scored").items():
        ours, theirs = (np.asarray(Image.open(io.BytesIO(each))) for each in (found[name], data))
        assert np.mean(ours == theirs) > 0.995
