"""A folder of faults: whatever lies beside good pictures, these get their masks and the others their line."""

import io
import json
import os
import random
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageFile

from tests.command_line import lseg

NOISE = np.random.default_rng(0).integers(0, 256, (40, 56, 3), np.uint8)
PICTURE = Image.fromarray(NOISE)
UNDECODABLE = os.fsdecode(b"caf\xe9 \xff.png")  # Latin-1, as old disks have it


def encoded(kind: str, picture: Image.Image = PICTURE, **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header claims a size."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


def deep(mode: str) -> bytes:
    """A TIFF of 16 or 32 bits."""
    grey = NOISE[..., 0].astype(np.float64) / 255
    values: dict[str, NDArray[Any]] = {
        "u2": (grey * 65535).astype(np.uint16),
        "f4": grey.astype(np.float32),
        "i4": (grey * 255).astype(np.int32),
    }
    stream = io.BytesIO()
    tifffile.imwrite(stream, values[mode])
    return stream.getvalue()


def good() -> dict[str, bytes]:
    """Odd pictures that must get their masks."""
    jpeg, png = encoded("JPEG"), encoded("PNG")
    alpha = PICTURE.convert("RGBA")
    alpha.putalpha(Image.fromarray(NOISE[..., 0]))
    files = {
        "grey.png": encoded("PNG", PICTURE.convert("L")),
        "grey-alpha.png": encoded("PNG", alpha.convert("LA")),
        "alpha.png": encoded("PNG", alpha),
        "palette.png": encoded("PNG", PICTURE.quantize(64)),
        "palette-transparent.png": encoded("PNG", PICTURE.quantize(64), transparency=3),
        "bits.png": encoded("PNG", PICTURE.convert("1")),
        "16-bit.png": encoded("PNG", Image.fromarray(NOISE[..., 0].astype(np.uint16) * 257)),
        "interlaced-name.JPG": jpeg,
        "progressive.jpg": encoded("JPEG", progressive=True),
        "cmyk.jpg": encoded("JPEG", PICTURE.convert("CMYK")),
        "grey.jpg": encoded("JPEG", PICTURE.convert("L")),
        "trailing-bytes.jpg": jpeg + b"\0" * 5000,
        "damaged-exif.jpg": encoded("JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12\0\x03\xff\xff"),
        "webp.webp": encoded("WEBP", alpha),
        "lossless.webp": encoded("WEBP", lossless=True),
        "animated.webp": encoded("WEBP", save_all=True, append_images=[PICTURE.rotate(180)]),
        "lzw.tiff": encoded("TIFF", compression="tiff_lzw"),
        "jpeg.tif": encoded("TIFF", compression="jpeg"),
        "pages.tif": encoded("TIFF", save_all=True, append_images=[PICTURE.rotate(180)]),
        "16-bit.tif": deep("u2"),
        "float.tif": deep("f4"),
        "integer.tif": deep("i4"),
        "bmp.bmp": encoded("BMP"),
        "gif.gif": encoded("GIF"),
        "animated.gif": encoded("GIF", save_all=True, append_images=[PICTURE.rotate(180)]),
        "avif.avif": encoded("AVIF"),
        "a png.jpg": png,
        "a jpeg.png": jpeg,
        "pixel.png": encoded("PNG", Image.new("RGB", (1, 1))),
        "line.png": encoded("PNG", Image.new("RGB", (2000, 1))),
        "column.png": encoded("PNG", Image.new("RGB", (1, 2000))),
        "日本語 写真.png": png,
        "עברית.png": png,
        "🌍 emoji.jpg": jpeg,
        "combining e\u0301.png": png,
        " leading and trailing .png": png,
        "percent %20 #1 [x]*?.png": png,
        'quote " and \\ and \n newline.png': png,
        "-dash.png": png,
        "dots...png": png,
        "x" * 251 + ".png": png,
        "deep/" * 20 + "down.png": png,
        "same.png": png,
        "same.jpg": jpeg,
        "SAME.bmp": encoded("BMP"),
        "masks/mine.png": png,
        UNDECODABLE: png,
    }
    for number in (3, 6, 8):
        for kind in ("jpeg", "png", "webp", "tiff", "avif"):
            files[f"turned-{number}.{kind}"] = encoded(kind.upper(), exif=turned(number))
    return files


def bad() -> dict[str, tuple[bytes, str]]:
    """Files that are no pictures, and the stage at which that is found."""
    jpeg, png, gif, tiff, webp = (encoded(kind) for kind in ("JPEG", "PNG", "GIF", "TIFF", "WEBP"))
    flipped = bytearray(png)
    flipped[len(png) // 2] ^= 255
    files = {
        "empty.jpg": b"",
        "empty.png": b"",
        "text.jpg": b"Dear all,\n",
        "html.png": b"<!DOCTYPE html><html><body>404</body></html>",
        "pointer.jpg": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "zip.png": b"PK\x03\x04" + b"\0" * 100,
        "pdf.jpg": b"%PDF-1.7\n",
        "svg.png": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "video.gif": b"\0\0\0\x20ftypisom" + b"\0" * 100,
        "zeros.png": b"\0" * 5000,
        "one-byte.jpg": b"\xff",
        "random.tif": random.Random(0).randbytes(5000),
        "half.jpg": jpeg[: len(jpeg) // 2],
        "half.png": png[: len(png) // 2],
        "half.gif": gif[: len(gif) // 2],
        "half.tif": tiff[: len(tiff) // 2],
        "half.webp": webp[: len(webp) // 2],
        "header.jpg": jpeg[:20],
        "header.png": png[:33],
        "flipped.png": bytes(flipped),
        "bomb.png": claiming(60_000, 60_000),
        "nothing.png": claiming(0, 10),
        "unfinished.png": claiming(100, 100),
        "negative.bmp": b"BM" + struct.pack("<IHHIIiiHHIIiiII", 100, 0, 0, 54, 40, -5, 5, 1, 24, 0, 0, 0, 0, 0, 0),
        "phone.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        "broken.avif": b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf",
    }
    return {name: (data, "decode") for name, data in files.items()}


def plant(root: Path) -> tuple[set[str], dict[str, str]]:
    """Fills a folder; names of what is good, and of what is bad with its stage."""
    (root / "in").mkdir()
    for name, data in (good() | {name: data for name, (data, _) in bad().items()}).items():
        path = root / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    for number in range(10):
        (root / "in" / f"plain-{number}.png").write_bytes(encoded("PNG", PICTURE.rotate(number)))
    stages = {name: stage for name, (_, stage) in bad().items()}
    (root / "in" / "link.png").symlink_to("same.png")
    (root / "in" / "loop").symlink_to(root / "in", target_is_directory=True)
    (root / "in" / "gone.png").symlink_to("nowhere.png")
    (root / "in" / "around.png").symlink_to("around.png")
    (root / "in" / ".hidden.png").write_bytes(encoded("PNG"))
    (root / "in" / "notes.txt").write_text("no picture")
    (root / "in" / "folder.png").mkdir()
    plain = {f"plain-{number}.png" for number in range(10)}
    return {*good(), *plain, "link.png"}, stages | {"gone.png": "read", "around.png": "read"}


def segment(*arguments: str) -> int:
    return lseg("segment", *arguments, "-l", "person, sky, other", "-q")


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(name).read_text("utf-8").split("\n") if line]


def results(out: str) -> dict[str, tuple[str, bytes]]:
    """By source: its mask's name and bytes."""
    return {
        line["source"]: (line["mask"], Path(out, line["mask"]).read_bytes()) for line in lines(f"{out}/results.jsonl")
    }


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes")
@pytest.mark.usefixtures("model")
def test_every_good_picture_has_its_mask_and_every_bad_one_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    sound, broken = plant(Path.cwd())
    assert len(sound) >= 60
    assert len(broken) + len(good()) >= 60
    assert segment("in") == 3
    first = results("out")
    assert {name.removeprefix("in/") for name in first} == sound
    assert len({mask for mask, _ in first.values()}) == len(sound)
    sizes = {line["source"]: (line["height_px"], line["width_px"]) for line in lines("out/results.jsonl")}
    for kind in ("jpeg", "png", "webp", "tiff", "avif"):
        assert sizes[f"in/turned-3.{kind}"] == (40, 56)
        assert sizes[f"in/turned-6.{kind}"] == sizes[f"in/turned-8.{kind}"] == (56, 40)
    failures = lines("out/failures.jsonl")
    assert {line["source"].removeprefix("in/"): line["stage"] for line in failures} == broken
    assert all(line["error"].endswith(".") and "\n" not in line["error"] for line in failures)
    assert json.loads(Path("out/run.json").read_text("utf-8"))["exit_code"] == 3
    assert f"{len(broken)} of {len(sound) + len(broken)} pictures failed" in capsys.readouterr().err.replace("\n", " ")

    names = [f"in/{name}" for name in {*sound, *broken} if "\n" not in name]
    random.Random(1).shuffle(names)
    Path("list.txt").write_bytes(b"\0".join(os.fsencode(name) for name in names) + b"\0")
    # As a list of files each has its own root: mirrored below what they share.
    assert segment("@list.txt", "-o", "shuffled", "-j", "4") == 3
    again = results("shuffled")
    assert {name: data for name, (_, data) in again.items()} == {
        name: data for name, (_, data) in first.items() if name in again
    }
    assert {name: mask for name, (mask, _) in again.items()} == {
        name: mask for name, (mask, _) in first.items() if name in again
    }
    assert not list(Path().rglob("*.tmp"))


@pytest.mark.usefixtures("model")
def test_the_limit_of_size_can_be_moved(capsys: pytest.CaptureFixture[str]) -> None:
    PICTURE.save("a.png")
    assert segment("a.png", "--max-pixels", "2000") == 4
    assert "a.png claims 56 x 40 pixels; at most 0.002 megapixels are read (--max-pixels)." in capsys.readouterr().err
    assert segment("a.png", "--max-pixels", "1M") == 0


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize("kind", ["heic", "heif"])
def test_pictures_of_phones_where_the_extra_is_installed(kind: str) -> None:
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    upright = Image.fromarray(NOISE[:, :20].repeat(3, axis=0))
    upright.save("a.png")
    upright.transpose(Image.Transpose.ROTATE_90).save(f"b.{kind}", "HEIF", exif=turned(6).tobytes(), quality=-1)
    assert segment("a.png", f"b.{kind}") == 0
    with Image.open("out/masks/a.png") as one, Image.open("out/masks/b.png") as other:
        assert one.size == other.size == (20, 120)


@pytest.mark.usefixtures("model")
def test_a_huge_picture_is_done_whole_and_in_tiles() -> None:
    ImageFile.MAXBLOCK = max(ImageFile.MAXBLOCK, 2**20)
    Image.new("L", (6000, 5000), 90).save("huge.png")
    assert segment("huge.png") == segment("huge.png", "--tile", "1024", "--imgsz", "64", "-o", "tiled") == 0
    for out in ("out", "tiled"):
        with Image.open(f"{out}/masks/huge.png") as mask:
            assert mask.size == (6000, 5000)
