"""Many pictures: in order, side by side, and a broken one costs itself alone."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import lseg_cli as lseg
from tests.api.conftest import LABELS

Pixels = NDArray[np.uint8]


@pytest.fixture
def folder(tmp_path: Path, pixels: Pixels) -> Path:
    """Nine pictures of three shapes, and two that are none."""
    root = tmp_path / "imgs"
    (root / "sub").mkdir(parents=True)
    for number in range(9):
        picture = np.roll(pixels, 20 * number, axis=1)[: 120 - 30 * (number % 3)]
        Image.fromarray(picture).save(root / ("sub" if number % 2 else "") / f"{number}.png")
    (root / "4b.png").write_bytes(b"this is not a picture")
    (root / "8b.jpg").write_bytes(b"")
    return root


def test_a_folder_gives_results_in_order_and_errors_in_their_place(folder: Path, model: lseg.Model) -> None:
    results = list(model.segment_many(folder, LABELS))
    names = [Path(str(result.source)).relative_to(folder).as_posix() for result in results]
    assert names == sorted(names)
    assert len(names) == 11
    for name, result in zip(names, results, strict=True):
        if "b" in Path(name).stem:
            assert isinstance(result.error, lseg.DataError)
            assert name in str(result.error)
            with pytest.raises(lseg.DataError):
                _ = result.mask
        else:
            assert result.error is None
            np.testing.assert_array_equal(result.mask, model.segment(folder / name, LABELS).mask)


def test_pixels_and_paths_may_be_mixed(folder: Path, pixels: Pixels, model: lseg.Model) -> None:
    given: list[lseg.Picture] = [
        pixels,
        folder / "0.png",
        Image.fromarray(pixels),
        "missing.png",
        str(folder / "2.png"),
    ]
    results = list(model.segment_many(given, LABELS, workers=2))
    assert [result.source for result in results] == [None, str(given[1]), None, "missing.png", given[4]]
    assert [result.error is None for result in results] == [True, True, True, False, True]
    np.testing.assert_array_equal(results[0].mask, results[2].mask)


def test_what_is_no_picture_is_an_error_in_its_place(pixels: Pixels, model: lseg.Model) -> None:
    given = [pixels, 7, pixels.astype(np.float32)]
    results = list(model.segment_many(given, LABELS))  # type: ignore[arg-type]
    assert [str(result.error)[:20] for result in results] == ["None", "The picture is a int", "The picture is float"]


def test_an_iterable_is_read_as_far_as_results_are_taken(pixels: Pixels, model: lseg.Model) -> None:
    read: list[int] = []

    def endless() -> Iterator[Pixels]:
        while True:
            read.append(1)
            yield pixels

    before = threading.active_count()
    results = model.segment_many(endless(), LABELS, workers=1)
    for _ in range(3):
        assert next(results).error is None
    assert len(read) < 20
    results.close()
    for thread in threading.enumerate():
        if thread.name.startswith(("load", "finish")):
            thread.join(10)
    assert threading.active_count() == before


def test_mistakes_are_raised_before_the_first_result(tmp_path: Path, pixels: Pixels, model: lseg.Model) -> None:
    with pytest.raises(lseg.LsegError, match="between 0 and 1"):
        model.segment_many([pixels], LABELS, min_confidence=3)
    with pytest.raises(lseg.LsegError, match="No label"):
        model.segment_many([pixels], "")
    with pytest.raises(lseg.LsegError, match="nowhere"):
        model.segment_many(tmp_path / "nowhere", LABELS)
    with pytest.raises(lseg.DataError, match="picture"):
        model.segment_many(tmp_path, LABELS)
    with pytest.raises(lseg.LsegError, match="The pictures are a int"):
        model.segment_many(7, LABELS)  # type: ignore[arg-type]


def test_options_reach_every_picture(pixels: Pixels, model: lseg.Model) -> None:
    (tiled,) = model.segment_many([pixels], LABELS, tile=96, min_confidence=0.6)
    np.testing.assert_array_equal(tiled.mask, model.segment(pixels, LABELS, tile=96, min_confidence=0.6).mask)
    assert (tiled.mask == tiled.ignore_id).any()
    assert not list(model.segment_many([], LABELS))
