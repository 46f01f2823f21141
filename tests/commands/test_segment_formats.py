"""What `lseg segment` writes beside PNG masks, and which pixels it leaves out."""

import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_image

from tests.command_line import lseg

LABELS = "person, sky, other"


def segment(*arguments: str, labels: str = LABELS) -> int:
    return lseg("segment", *arguments, "-l", labels)


def pixels(name: str) -> NDArray[np.uint8]:
    with Image.open(name) as picture:
        return np.asarray(picture)


@pytest.fixture(autouse=True)
def photos(model: Path) -> None:
    """Two pictures in the current folder, which `model` has made."""
    assert model.exists()
    photo = Image.fromarray(load_sample_image("china.jpg"))
    Path("in/sub").mkdir(parents=True)
    photo.resize((120, 80)).save("in/a.png")
    photo.resize((90, 130)).save("in/sub/b.jpg")


def test_arrays_and_tables() -> None:
    assert segment("in", "--format", "npy,csv") == 0
    for name in ("a", "sub/b"):
        assert np.array_equal(np.load(f"out/npy/{name}.npy"), pixels(f"out/masks/{name}.png"))
    with Path("out/results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["source"] for row in rows] == ["in/a.png", "in/sub/b.jpg"]
    assert sum(float(rows[0][name]) for name in ("person", "sky", "other")) == pytest.approx(1, abs=1e-5)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools itself
def test_run_lengths_give_the_mask_back() -> None:
    mask_api = pytest.importorskip("pycocotools.mask")
    assert segment("in", "--format", "coco-rle") == 0
    whole: dict[str, Any] = json.loads(Path("out/coco-rle.json").read_text())
    assert [image["file_name"] for image in whole["images"]] == ["in/a.png", "in/sub/b.jpg"]
    assert [category["name"] for category in whole["categories"]] == ["person", "sky", "other"]
    assert [one["id"] for one in whole["annotations"]] == list(range(1, len(whole["annotations"]) + 1))
    label_ids = {category["id"]: category["label_id"] for category in whole["categories"]}
    assert label_ids == {1: 0, 2: 1, 3: 2}
    for image, name in enumerate(("a", "sub/b")):
        mask = pixels(f"out/masks/{name}.png")
        again = np.full(mask.shape, 255, np.uint8)
        for one in whole["annotations"]:
            if one["image_id"] == image:
                part = mask_api.decode(one["segmentation"]).astype(bool)
                again[part] = label_ids[one["category_id"]]
                assert one["area"] == part.sum()
                assert one["bbox"] == mask_api.toBbox(one["segmentation"]).tolist()
        assert np.array_equal(again, mask)


def test_panoptic_pictures_give_the_mask_back() -> None:
    assert segment("in", "--format", "coco-panoptic", "--min-confidence", "0.4") == 0
    whole: dict[str, Any] = json.loads(Path("out/coco-panoptic.json").read_text())
    for one, name in zip(whole["annotations"], ("a", "sub/b"), strict=True):
        assert one["file_name"] == f"{name}.png"
        segments = pixels(f"out/coco-panoptic/{name}.png").astype(int) @ [1, 256, 65536]
        mask = pixels(f"out/masks/{name}.png")
        assert np.array_equal(segments, np.where(mask == 255, 0, mask.astype(int) + 1))
        assert sum(segment["area"] for segment in one["segments_info"]) == (mask != 255).sum()


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "pycocotools.mask", None)
    assert segment("in", "--format", "coco-rle") == 6
    assert "pip install 'lseg-cli[coco]'" in capsys.readouterr().err


def test_the_best_labels_and_all_probabilities() -> None:
    assert segment("in", "--top-k", "2", "--save", "probs") == 0
    with np.load("out/topk/a.npz") as file:
        best = dict(file)
    assert best["ids"].shape == best["probability"].shape == (2, 80, 120)
    assert np.array_equal(best["ids"][0], pixels("out/masks/a.png"))
    assert (best["ids"][0] != best["ids"][1]).all()
    assert (best["probability"][0] >= best["probability"][1]).all()
    probs = np.load("out/probs/a.npy")
    assert probs.dtype == np.float16
    assert probs.shape[0] == 3
    assert probs.astype(np.float32).sum(0) == pytest.approx(1, abs=2e-3)


def test_pixels_between_two_labels_can_be_left_out() -> None:
    assert segment("in", "--top-k", "2", "--min-margin", "0.1") == 0
    with np.load("out/topk/a.npz") as file:
        best = dict(file)
    margin = best["probability"][0].astype(float) - best["probability"][1]
    ignored = pixels("out/masks/a.png") == 255
    assert ignored[margin < 0.098].all()
    assert not ignored[margin > 0.102].any()
    assert segment("in/a.png", "--min-margin", "0.1", "-o", "alone", labels="sky") == 0  # nothing to be confused with
    assert (pixels("alone/masks/a.png") == 0).all()


def test_large_pictures_in_tiles() -> None:
    assert segment("in", "--tile", "64", "--overlap", "16", "--save", "conf,overlay") == 0
    assert pixels("out/masks/a.png").shape == (80, 120)
    assert pixels("out/masks/sub/b.png").shape == (130, 90)
    assert pixels("out/conf/a.png").shape == (80, 120)
    assert segment("in", "--tile", "64", "--save", "probs", "-o", "other") == 2


@pytest.mark.parametrize(
    ("text", "sky"),
    [('{"sky": "#010203"}', [1, 2, 3]), ("Sky: [4, 5, 6]", [4, 5, 6]), ("['#000001', '#000002']", [0, 0, 2])],
)
def test_colours_of_ones_own(text: str, sky: list[int]) -> None:
    Path("colours.yaml").write_text(text)
    assert segment("in/a.png", "--palette", "colours.yaml") == 0
    with Image.open("out/masks/a.png") as mask:
        palette = mask.getpalette()
    assert palette is not None
    assert palette[3:6] == sky


def test_no_colours_at_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert segment("in/a.png", "--palette", "none") == 0
    with Image.open("out/masks/a.png") as mask:
        assert mask.mode == "L"
    for text in ("sky: blue", "just words", "[1"):
        Path("bad.yaml").write_text(text)
        assert segment("in/a.png", "--palette", "bad.yaml", "-o", "bad") == 2
        assert "is not of names and colours" in capsys.readouterr().err
    assert segment("in/a.png", "--palette", "gone.yaml", "-o", "bad") == 2
    assert "The palette gone.yaml cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--format", "svg"), "--format svg is not known; choose from png, npy"),
        (("--batch", "0"), "--batch '0' is not a valid batch size"),
        (("--max-pixels", "many"), "--max-pixels 'many' is not a valid number of pixels"),
        (("--tile", "10"), "--tile 10 is too small"),
    ],
)
def test_what_cannot_be_done_is_told(
    arguments: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert segment("in", *arguments) == 2
    assert sentence in capsys.readouterr().err
    assert not Path("out").exists()


def test_batches_give_the_same_labels() -> None:
    for number in range(7):
        Image.fromarray(load_sample_image("flower.jpg")).resize((96 + number, 64)).save(f"in/{number}.png")
    assert segment("in", "-o", "one") == segment("in", "-o", "many", "--batch", "3", "-j", "3") == 0
    for path in Path("one/masks").rglob("*.png"):
        other = pixels(str(Path("many") / path.relative_to("one")))
        assert (pixels(str(path)) != other).mean() < 1e-3


def test_a_black_and_white_mask_of_every_label_is_imported_again() -> None:
    assert segment("in", "--format", "binary") == 0
    for name in ("a", "sub/b"):
        mask = pixels(f"out/masks/{name}.png")
        for label_id, label in enumerate(("person", "sky", "other")):
            assert np.array_equal(pixels(f"out/binary/{label}/{name}.png"), np.where(mask == label_id, 255, 0))
    assert lseg("data", "import", "out/binary", "--from", "binary", "--images", "in", "-o", "again") == 0
    order = np.array([["other", "person", "sky"].index(name) for name in ("person", "sky", "other")], np.uint8)
    again = sorted(Path("again/masks").rglob("*.png"))
    assert len(again) == 2
    for path, name in zip(again, ("a", "sub/b"), strict=True):
        assert np.array_equal(pixels(str(path)), order[pixels(f"out/masks/{name}.png")])


def test_other_labels_cannot_share_a_folder_of_black_and_white_masks() -> None:
    assert segment("in", "--format", "binary", labels="a/b, a:b") == 0
    assert sorted(path.name for path in Path("out/binary").iterdir()) == ["a_b", "a_b-2"]


def test_too_many_labels_for_a_file_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert segment("in", "--format", "binary", labels="words:300") == 2
    assert "300 labels are too many" in capsys.readouterr().err
    assert not Path("out").exists()


def test_labels_are_cut_out_and_cut_out_again_when_others_are_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert segment("in", "--cutout", "sky,Other") == 0
    mask, cutout = pixels("out/masks/a.png"), pixels("out/cutouts/a.png")
    assert cutout.shape == (*mask.shape, 4)
    assert not cutout[cutout[..., 3] == 0].any()
    seen = cutout[..., 3] > 127
    assert (seen == (mask > 0)).mean() > 0.95
    assert np.array_equal(cutout[..., :3][seen], pixels("in/a.png")[seen])
    before = Path("out/masks/a.png").stat().st_mtime_ns
    capsys.readouterr()
    assert segment("in", "--save", "cutout", "--cutout", "person") == 0
    assert "Files of other settings are written again: cutout." in capsys.readouterr().err
    assert ((pixels("out/cutouts/a.png")[..., 3] > 127) == (mask == 0)).mean() > 0.95
    assert Path("out/masks/a.png").stat().st_mtime_ns == before
    assert segment("in", "--cutout", "person", "--json") == 0
    assert '"done_before": 2' in capsys.readouterr().out


def test_what_cannot_be_cut_out_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert segment("in", "--cutout", "dog") == 2
    assert "--cutout dog is not one of the labels; choose from person, sky, other." in capsys.readouterr().err
    assert segment("in", "--save", "cutout") == 2
    assert "add --cutout with some" in capsys.readouterr().err
    assert not Path("out").exists()


def test_more_of_the_best_labels_replace_fewer() -> None:
    assert segment("in", "--top-k", "2") == 0
    assert segment("in", "--top-k", "3") == 0
    with np.load("out/topk/a.npz") as found:
        assert len(found["ids"]) == 3


def test_relabel_writes_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    kinds = ["--format", "binary,coco-polygons,cvat", "--cutout", "sky"]
    assert segment("in", *kinds, "--save", "embeddings") == 0
    assert lseg("relabel", "out", "-o", "again", "-l", LABELS, *kinds) == 0
    for name in ("coco-polygons.json", "cvat.xml", "binary/sky/a.png", "cutouts/sub/b.png"):
        assert Path("again", name).stat().st_size > 0
    assert np.array_equal(pixels("again/cutouts/a.png")[..., 3] > 127, pixels("out/cutouts/a.png")[..., 3] > 127)
    assert lseg("report", "again") == 0
