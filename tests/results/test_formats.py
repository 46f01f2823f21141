"""Masks in other formats, as the tools that read them take them."""

import csv
import errno
import io
import json
import tempfile
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from lseg_cli.data.labels import Label, LabelSet
from lseg_cli.errors import DataError
from lseg_cli.results.formats import (
    first_category,
    shown_as_text,
    write_coco,
    write_npy,
    write_panoptic,
    write_rle,
    write_segments,
    write_table,
)
from lseg_cli.results.kinds import binary_kinds, place_of
from lseg_cli.results.polygons import write_polygons

FROM_ZERO = LabelSet.of(["sky", "road", "car"])
OWN_IDS = LabelSet(labels=(Label(name="sky", id=3), Label(name="road", id=7), Label(name="car", id=12)))
Ids = NDArray[np.uint8]


def mask(labels: LabelSet, seed: int) -> Ids:
    """Blocks of labels, with pixels that have none."""
    choices = np.array([*labels.ids, labels.ignore_id], np.uint8)
    blocks = np.random.default_rng(seed).choice(choices, (6, 8))
    return np.kron(blocks, np.ones((8, 8), np.uint8))


def write_folder(kind: str, labels: LabelSet, root: Path) -> list[Ids]:
    """Two pictures with their parts, and the file of both; their masks."""
    masks, lines = [mask(labels, seed) for seed in range(2)], []
    (root / kind).mkdir()
    for number, ids in enumerate(masks):
        files = {kind: f"{kind}/{number}.{'png' if kind == 'coco-panoptic' else 'json'}"}
        if kind != "coco-panoptic":
            {"coco-rle": write_rle, "coco-polygons": write_polygons}[kind](root / files[kind], ids, labels)
        else:
            files["coco-panoptic-segments"] = f"{kind}/{number}.json"
            write_panoptic(root / files[kind], ids, labels)
            write_segments(root / files["coco-panoptic-segments"], ids, labels)
        lines.append({"source": f"in/{number}.png", "height_px": 48, "width_px": 64, "files": files})
    assert write_coco(root / f"{kind}.json", kind, root, lines, labels) == 0
    return masks


@pytest.mark.parametrize("judged", ["segm", "bbox"])
@pytest.mark.parametrize("kind", ["coco-rle", "coco-polygons"])
@pytest.mark.parametrize("labels", [FROM_ZERO, OWN_IDS])
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools itself
def test_cocos_own_evaluation_finds_our_file_equal_to_itself(
    labels: LabelSet, kind: str, judged: str, tmp_path: Path
) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    evaluation = pytest.importorskip("pycocotools.cocoeval")
    write_folder(kind, labels, tmp_path)
    with redirect_stdout(io.StringIO()):
        truth = coco.COCO(str(tmp_path / f"{kind}.json"))
        found = truth.loadRes([{**each, "score": 1.0} for each in truth.dataset["annotations"]])
        judge = evaluation.COCOeval(truth, found, judged)
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    assert judge.stats[:3].tolist() == [1.0, 1.0, 1.0]
    categories = {category["id"] for category in truth.dataset["categories"]}
    assert categories == {each + first_category(labels) for each in labels.ids}
    assert min(each["id"] for each in truth.dataset["annotations"]) == 1
    assert min(each["category_id"] for each in truth.dataset["annotations"]) >= 1


def decoded(annotations: list[dict[str, Any]], size: tuple[int, int], labels: LabelSet) -> Ids:
    """The mask that COCO's own library makes of annotations."""
    coder = pytest.importorskip("pycocotools.mask")
    ids = np.full(size, labels.ignore_id, np.uint8)
    for each in annotations:
        bits = np.asarray(coder.decode(coder.merge(coder.frPyObjects(each["segmentation"], *size))), bool)
        assert bits.sum() == each["area"]
        assert not (bits & (ids != labels.ignore_id)).any()
        ids[bits] = each["category_id"] - first_category(labels)
    return ids


@given(st.integers(0, 2**32 - 1), st.sampled_from([(1, 1), (1, 7), (6, 1), (9, 11), (23, 17)]), st.integers(1, 3))
@settings(max_examples=40)
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_polygons_cover_the_pixels_of_the_mask_with_all_its_holes(seed: int, size: tuple[int, int], side: int) -> None:
    cells = np.random.default_rng(seed).choice(np.array([0, 1, 2, 255], np.uint8), size, p=[0.6, 0.2, 0.1, 0.1])
    ids = np.kron(cells, np.ones((side, side), np.uint8)).astype(np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        write_polygons(Path(folder, "a.json"), ids, FROM_ZERO)
        annotations = json.loads(Path(folder, "a.json").read_text())
    height, width = ids.shape
    assert np.array_equal(decoded(annotations, (height, width), FROM_ZERO), ids)
    for each in annotations:
        left, top, box_width, box_height = each["bbox"]
        corners = np.concatenate([np.reshape(ring, (-1, 2)) for ring in each["segmentation"]])
        assert corners.min(0).tolist() == [left, top]
        assert corners.max(0).tolist() == [left + box_width, top + box_height]


def test_a_hole_is_no_part_of_any_polygon(tmp_path: Path) -> None:
    ids = np.zeros((9, 9), np.uint8)
    ids[3:6, 3:6] = 1
    write_polygons(tmp_path / "a.json", ids, FROM_ZERO)
    sky, road = json.loads((tmp_path / "a.json").read_text())
    assert (sky["area"], road["area"]) == (72, 9)
    assert len(sky["segmentation"]) > 1
    assert road["segmentation"] == [[3, 3, 3, 6, 6, 6, 6, 3]]


@pytest.mark.parametrize("labels", [FROM_ZERO, OWN_IDS])
def test_panoptic_pictures_hold_the_ids_of_their_segments(labels: LabelSet, tmp_path: Path) -> None:
    masks = write_folder("coco-panoptic", labels, tmp_path)
    whole = json.loads((tmp_path / "coco-panoptic.json").read_text())
    label_ids = {category["id"]: category["label_id"] for category in whole["categories"]}
    assert min(label_ids) >= 1
    for ids, one in zip(masks, whole["annotations"], strict=True):
        with Image.open(tmp_path / "coco-panoptic" / one["file_name"]) as picture:
            segments = np.asarray(picture).astype(int) @ [1, 256, 65536]
        again = np.full(ids.shape, labels.ignore_id, np.uint8)
        for segment in one["segments_info"]:
            assert segment["id"] == segment["category_id"]
            assert segment["area"] == (segments == segment["id"]).sum()
            again[segments == segment["id"]] = label_ids[segment["category_id"]]
        assert np.array_equal(again, ids)
        assert set(np.unique(segments)) == {0, *(segment["id"] for segment in one["segments_info"])}


def test_pictures_without_their_part_are_left_out_and_counted(tmp_path: Path) -> None:
    lines = [{"source": "a", "height_px": 1, "width_px": 1, "files": {}}]
    assert write_coco(tmp_path / "x.json", "coco-rle", tmp_path, lines, FROM_ZERO) == 1
    assert json.loads((tmp_path / "x.json").read_text())["images"] == []


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    lines = [{"source": "a", "height_px": 1, "width_px": 1, "files": {"coco-rle": "a.json"}}]
    with pytest.raises(DataError, match=r"a\.json cannot be read, or is damaged; delete it"):
        write_coco(tmp_path / "x.json", "coco-rle", tmp_path, lines, FROM_ZERO)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_a_table_holds_no_formula(text: str, tmp_path: Path) -> None:
    labels = LabelSet(labels=(Label.model_construct(name=text, id=0, prompts=("x",), color=None),))
    line = {
        "source": text, "mask": f"masks/{text}.png", "height_px": 1, "width_px": 1, "mean_confidence": 0.5,
        "ignored": 0.0, "share": {text: -0.5},
    }  # fmt: skip
    write_table(tmp_path / "results.csv", [line], labels)
    with (tmp_path / "results.csv").open(newline="") as file:
        head, row = csv.reader(file)
    assert head[-1] == row[0] == f"'{text}" == shown_as_text(text)
    assert row[1] == f"masks/{text}.png"
    assert row[-1] == "-0.5"  # a number stays one
    assert shown_as_text("sky = blue") == "sky = blue"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
def test_a_full_disk_is_told_by_its_number() -> None:
    with pytest.raises(OSError, match="No space left") as full:
        write_npy(Path("/dev/full"), np.zeros((1000, 1000), np.uint8))
    assert full.value.errno == errno.ENOSPC


def test_every_label_has_a_folder_of_its_own_that_any_system_can_hold() -> None:
    kinds = binary_kinds(["sky", "Sky", "a/b", "a:b", "..", "x" * 300, "x" * 301, "road "])
    assert kinds[:3] == ["binary/sky", "binary/Sky-2", "binary/a_b"]
    assert len({kind.casefold() for kind in kinds}) == len(kinds)
    for kind in kinds:
        folder, extension = place_of(kind)
        assert (folder, extension) == (kind, "png")
        assert len(folder) < 100
        assert Path(folder).parts[0] == "binary"
        assert len(Path(folder).parts) == 2
        assert ".." not in folder


@pytest.mark.parametrize("kind", ["binary/", "binary/..", "binary/a/b", "binary/../x", "binary/a\0", "binary", "else"])
def test_other_folders_are_of_no_kind(kind: str) -> None:
    with pytest.raises(KeyError):
        place_of(kind)
