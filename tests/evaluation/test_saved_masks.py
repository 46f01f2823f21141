import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from lseg_cli.errors import DataError
from lseg_cli.evaluation.saved_masks import SavedMasks

PICTURE = np.zeros((2, 3, 3), np.uint8)


def write(folder: Path, names: tuple[str, ...], ids: NDArray[np.uint8] | NDArray[np.uint16], ignore: int = 255) -> Path:
    """An output folder with one mask, of a picture whose path it returns; ids from 5 on."""
    picture = folder / "in" / "a.jpg"
    (folder / "masks").mkdir()
    Image.fromarray(ids).save(folder / "masks" / "a.png")
    labels = [{"id": 5 + number, "name": name} for number, name in enumerate(names)]
    (folder / "labels.json").write_text(json.dumps({"labels": labels, "ignore_id": ignore}))
    line = {"source": "in/a.jpg", "mask": "masks/a.png", "file": {"path": str(picture)}}
    (folder / "results-1-of-2.jsonl").write_text("")
    (folder / "results-2-of-2.jsonl").write_text(json.dumps(line) + "\n")
    return picture


def test_ids_become_positions_of_the_classes_then_of_others_then_none(tmp_path: Path) -> None:
    picture = write(tmp_path, ("lava", "road", "sky"), np.array([[5, 6, 7], [7, 7, 255]], np.uint8))
    masks = SavedMasks(tmp_path)
    assert masks.split(("sky", "Road")) == (("road", "sky"), ("lava",))
    assert masks.predict(PICTURE, picture).tolist() == [[2, 0, 1], [1, 1, 3]]


def test_other_words_stand_for_the_classes_by_their_place(tmp_path: Path) -> None:
    picture = write(tmp_path, ("heaven", "street"), np.array([[5, 6, 6], [6, 6, 5]], np.uint8))
    masks = SavedMasks(tmp_path)
    assert masks.split(("sky", "road")) == (("heaven", "street"), ())
    assert masks.predict(PICTURE, picture).tolist() == [[0, 1, 1], [1, 1, 0]]


def test_masks_of_16_bits(tmp_path: Path) -> None:
    picture = write(tmp_path, ("sky",), np.array([[5, 65535, 5], [5, 5, 5]], np.uint16), 65535)
    assert SavedMasks(tmp_path).predict(PICTURE, picture).tolist() == [[0, 1, 0], [0, 0, 0]]


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not an output folder of lseg segment"):
        SavedMasks(tmp_path)
    picture = write(tmp_path, ("sky",), np.full((2, 3), 9, np.uint8))
    masks = SavedMasks(tmp_path)
    with pytest.raises(DataError, match=r"has no mask of .*b\.jpg"):
        masks.predict(PICTURE, picture.with_name("b.jpg"))
    with pytest.raises(DataError, match=r"a\.png holds id 9, which labels\.json does not name"):
        masks.predict(PICTURE, picture)
    with pytest.raises(DataError, match=r"a\.png has the shape \(2, 3\), its picture \(4, 3\)"):
        masks.predict(np.zeros((4, 3, 3), np.uint8), picture)
    (tmp_path / "masks" / "a.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"a\.png is empty"):
        masks.predict(PICTURE, picture)
