"""Masks that `segment` wrote are right for `eval`, whatever kind of picture they are of: there is one reader."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_image

from lseg_cli.data.decoding import _know_heif
from tests.command_line import lseg

PHOTO: NDArray[np.uint8] = cv2.resize(load_sample_image("china.jpg"), (96, 64), interpolation=cv2.INTER_AREA)
GREY = PHOTO[..., 1]
ENDINGS = (
    "jpg", "jpeg", "jpe", "jfif", "png", "webp", "tif", "tiff", "bmp", "gif", "avif", "mpo", "jp2", "ppm", "tga", "dib",
)  # fmt: skip
Paint = Callable[[Path], None]


def _turned(orientation: int, ending: str) -> Paint:
    def paint(path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(PHOTO).save(path.with_suffix(f".{ending}"), exif=exif)

    return paint


def _tiff(values: NDArray[np.generic], photometric: str = "minisblack", nodata: str = "", extra: int = 0) -> Paint:
    def paint(path: Path) -> None:
        tags = [(42113, "s", 0, nodata, True)] if nodata else []
        extras = [extra] if values.shape[-1] == 4 else None
        tifffile.imwrite(path.with_suffix(".tif"), values, photometric=photometric, extrasamples=extras, extratags=tags)

    return paint


def _deep_png(path: Path) -> None:
    cv2.imwrite(str(path.with_suffix(".png")), PHOTO.astype(np.uint16) * 30)


def _saved(image: Image.Image, ending: str = "png") -> Paint:
    return lambda path: image.save(path.with_suffix(f".{ending}"))


def _with_alpha() -> NDArray[np.uint8]:
    alpha = np.full((64, 96, 1), 255, np.uint8)
    alpha[:, :32] = 0
    alpha[:, 32:40] = 128
    return np.concatenate([PHOTO, alpha], 2)


def _with_hole(values: NDArray[np.generic], mark: float) -> NDArray[np.generic]:
    values = values.copy()
    values[:9, :9] = mark
    return values


KINDS: dict[str, Paint] = {
    **{f"as {ending}": _saved(Image.fromarray(PHOTO), ending) for ending in ENDINGS},
    **{f"turned {k} {ending}": _turned(k, ending) for k in range(2, 9) for ending in ("jpg", "png")},
    "heic": lambda path: Image.fromarray(PHOTO).save(path.with_suffix(".heic")),
    "grey": _saved(Image.fromarray(GREY)),
    "bits": _saved(Image.fromarray(GREY > 128)),
    "palette": _saved(Image.fromarray(PHOTO).quantize(17)),
    "cmyk": _saved(Image.fromarray(PHOTO).convert("CMYK"), "jpg"),
    "grey and alpha": _saved(Image.fromarray(_with_alpha()).convert("LA")),
    "alpha": _saved(Image.fromarray(_with_alpha())),
    "alpha webp": _saved(Image.fromarray(_with_alpha()), "webp"),
    "16 bits": _saved(Image.fromarray(GREY.astype(np.uint16) * 257)),
    "12 bits": _tiff(GREY.astype(np.uint16) * 16),
    "16 bit colours": _tiff(PHOTO.astype(np.uint16) * 257, "rgb"),
    "reflectance": _tiff(PHOTO.astype(np.uint16) * 12 + 100, "rgb"),
    "16 bit png": _deep_png,
    "float": _tiff((GREY / 255).astype(np.float32)),
    "float colours": _tiff((PHOTO / 255).astype(np.float32), "rgb"),
    "kelvin": _tiff((280 + GREY / 10).astype(np.float32)),
    "nodata": _tiff(_with_hole((GREY / 255).astype(np.float32), -9999), nodata="-9999"),
    "int16 nodata": _tiff(_with_hole(GREY.astype(np.int16) * 8, -32768), nodata="-32768"),
    "colours nodata": _tiff(_with_hole(PHOTO, 0), "rgb", nodata="0"),
    "near infrared": _tiff(np.concatenate([PHOTO, PHOTO[::-1, :, :1]], 2), "rgb", extra=2),
    "orthophoto": _tiff(_with_alpha(), "rgb", extra=2),
}


def test_eval_of_masks_of_segment_is_1_over_every_kind_of_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pillow_heif", reason="needs the pillow-heif package")
    _know_heif()
    monkeypatch.setenv("LSEG_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "images"
    folder.mkdir()
    for number, paint in enumerate(KINDS.values()):
        paint(folder / f"{number:03d}")
    assert len(list(folder.iterdir())) == len(KINDS)
    common = ("-d", "cpu", "--imgsz", "96", "--threads", "1")
    assert lseg("segment", folder, "-l", "sky,tree,building", "-o", "out", "-q", *common) == 0
    records = [json.loads(line) for line in Path("out/results.jsonl").read_text().splitlines()]
    assert len(records) == len(KINDS)
    (tmp_path / "dataset.yaml").write_text(
        "name: ours\nsplits: {val: {images: images, masks: out/masks}}\nclasses: [sky, tree, building]\n"
    )
    capsys.readouterr()
    assert lseg("eval", "--data", tmp_path / "dataset.yaml", "--json", *common) == 0
    (result,) = json.loads(capsys.readouterr().out)["results"]
    assert result["pixel_accuracy"] == 1.0
    assert {iou for iou in result["class_iou"].values() if iou is not None} == {1.0}
    assert sum(record["ignored"] > 0.01 for record in records) == 7
    assert sum(record["values"] != "" for record in records) == 12
