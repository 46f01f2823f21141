"""The output folder: whole files or none, and a record of every picture."""

import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from lseg_cli.data.finding import Source
from lseg_cli.data.labels import Label, LabelSet
from lseg_cli.drawing.palette import colors
from lseg_cli.errors import DataError, LsegError
from lseg_cli.files import atomic
from lseg_cli.inference.segmentation import Segmentation
from lseg_cli.results.folder import OutputFolder
from lseg_cli.results.mask_style import MaskStyle
from lseg_cli.results.masks import MaskWriter, WrittenMask, describe_labels
from lseg_cli.results.records import Done, Failed, Item

LABELS = LabelSet.of(["sky", "road", "other"])
PICTURE = np.full((6, 8, 3), 90, np.uint8)
INDEX = np.zeros((6, 8), np.uint16)
INDEX[3:] = 1
INDEX[5, 7] = 2


def wide_labels() -> LabelSet:
    return LabelSet(labels=(Label(name="low", id=3), Label(name="high", id=1000), Label(name="top", id=255)))


def segmentation(index: NDArray[np.uint16] = INDEX, confidence: float | None = None) -> Segmentation:
    probability = None if confidence is None else np.full((1, *index.shape), confidence, np.float32)
    return Segmentation(index[None], probability, 0.5, {})


def opened(path: Path, labels: LabelSet = LABELS, **style: Any) -> MaskWriter:
    folder = OutputFolder(path / "out")
    folder.begin(describe_labels(labels))
    return MaskWriter(folder, labels, MaskStyle(**style))


def write(writer: MaskWriter, name: str = "a", confidence: float | None = None) -> WrittenMask:
    source = Source(Path(f"{name}.png"), Path(), f"{name}.png")
    return writer.write(Item(source, name), Image.fromarray(PICTURE), segmentation(confidence=confidence))


def files(path: Path) -> list[str]:
    return sorted(each.relative_to(path).as_posix() for each in path.rglob("*") if each.is_file())


def test_a_mask_is_a_palette_png_of_ids(tmp_path: Path) -> None:
    written = write(opened(tmp_path), "sub/ä").written
    assert written.files == {"mask": "masks/sub/ä.png"}
    assert written.sizes == {"mask": (tmp_path / "out" / "masks" / "sub" / "ä.png").stat().st_size}
    with Image.open(tmp_path / "out" / "masks" / "sub" / "ä.png") as mask:
        assert mask.mode == "P"
        assert np.array_equal(np.asarray(mask), INDEX)
        assert np.asarray(mask.convert("RGB"))[0, 0].tolist() == list(colors(LABELS)[0])


def test_a_mask_with_ids_above_254_is_16_bit_grey(tmp_path: Path) -> None:
    write(opened(tmp_path, wide_labels()))
    with Image.open(tmp_path / "out" / "masks" / "a.png") as mask:
        assert mask.mode == "I;16"
        assert np.asarray(mask)[[0, 3, 5], [0, 0, 7]].tolist() == [3, 1000, 255]


@pytest.mark.parametrize(("labels", "ignore"), [(LABELS, 255), (wide_labels(), 65535)])
def test_unsure_pixels_get_the_ignore_id(labels: LabelSet, ignore: int, tmp_path: Path) -> None:
    writer = opened(tmp_path, labels, min_confidence=0.5)
    probability = np.ones((1, *INDEX.shape), np.float32)
    probability[0, 0] = 0.4
    result = Segmentation(INDEX[None], probability, 0.5, {})
    ids = writer.ids(result)
    assert (ids[0] == ignore).all()
    assert (ids[1:] != ignore).all()
    mask = writer.write(Item(Source(Path("a.png"), Path(), "a.png"), "a"), None, result)
    assert mask.ignored == pytest.approx(8 / 48, abs=1e-6)
    assert list(mask.share) == list(labels.names)
    assert list(mask.share.values()) == pytest.approx([16 / 48, 23 / 48, 1 / 48], abs=1e-6)


def test_what_is_saved_besides(tmp_path: Path) -> None:
    write(opened(tmp_path, save=("overlay", "conf")), "b/a", 0.5)
    assert files(tmp_path / "out") == [
        "conf/b/a.png", "failures.jsonl", "labels.json", "masks/b/a.png", "overlays/b/a.jpg", "results.jsonl",
    ]  # fmt: skip
    with Image.open(tmp_path / "out" / "conf" / "b" / "a.png") as confidence:
        assert confidence.mode == "L"
        assert confidence.getextrema() == (128, 128)
    with Image.open(tmp_path / "out" / "overlays" / "b" / "a.jpg") as overlay:
        assert overlay.height > 6


def test_what_cannot_be_saved_is_told() -> None:
    with pytest.raises(LsegError, match="--save svg is not known; choose from overlay, conf"):
        MaskStyle(save=("svg",)).check()


def test_labels_are_described(tmp_path: Path) -> None:
    OutputFolder(tmp_path).begin({**describe_labels(LABELS), "templates": ("a {}",)})
    described = json.loads((tmp_path / "labels.json").read_text())
    assert [label["id"] for label in described["labels"]] == [0, 1, 2]
    assert described["labels"][1] == {
        "id": 1, "coco_id": 2, "name": "road", "prompts": ["road"], "color": list(colors(LABELS)[1]),
    }  # fmt: skip
    assert described["ignore_id"] == 255
    assert described["templates"] == ["a {}"]


def test_records_are_lines_of_json_whatever_the_name(tmp_path: Path) -> None:
    folder = OutputFolder(tmp_path / "out")
    folder.begin({})
    name = b"Stra\xc3\x9fe \xff.jpg".decode("utf-8", "surrogateescape")  # a name that is no UTF-8
    done = Done(name, "masks/a.png", 6, 8, {"sky": 1.0}, 0.0, 0.5, {"read": 1.0})
    for record in (done, Failed(name, "read", "gone"), done):
        folder.record(record)
    results = (tmp_path / "out" / "results.jsonl").read_text("utf-8").splitlines()
    assert len(results) == 2
    assert "Straße" in results[0]
    assert json.loads(results[0])["source"] == name
    assert json.loads((tmp_path / "out" / "failures.jsonl").read_text())["stage"] == "read"


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(LsegError, match=r"out is a file; choose another folder with -o\."):
        OutputFolder(tmp_path / "out").check()
    with pytest.raises(LsegError, match="cannot be written"):
        OutputFolder(tmp_path / "out" / "deeper").begin({})


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    def interrupted() -> None:
        with atomic(tmp_path / "a.txt") as path:
            path.write_text("half of the n")
            raise KeyboardInterrupt

    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert files(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_a_full_disk_stops_the_run(tmp_path: Path) -> None:
    with (
        pytest.raises(
            LsegError, match=r"No space left on device.*; free some space and run it again, or take another -o\."
        ) as full,
        atomic(tmp_path / "a.png"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert not isinstance(full.value, DataError)


def test_a_name_that_is_too_long_costs_one_picture(tmp_path: Path) -> None:
    writer = opened(tmp_path)
    with pytest.raises(DataError, match=r"cannot be written \(File name too long\)"):
        write(writer, "x" * 300)
    assert write(writer, "x" * 250).written.files == {"mask": f"masks/{'x' * 250}.png"}  # the longest there can be
