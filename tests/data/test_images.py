"""Pictures are read whatever they hold; what cannot be read is told in one sentence."""

import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision.transforms.v2 import functional as F

from lseg_cli.data import decoding
from lseg_cli.data.images import PictureError, open_image, pixels_of, resized

RED = (200, 30, 40)


def draw(path: Path, **options: Any) -> Path:
    """A red picture, 8 wide and 6 high, whose left upper quarter is black."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.new("RGB", (8, 6), RED)
    picture.paste((0, 0, 0), (0, 0, 4, 3))
    picture.save(path, **options)
    return path


def read_image(path: Path, **options: Any) -> NDArray[np.uint8]:
    return pixels_of(open_image(path, **options))


class TestReading:
    @pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif", "bmp", "gif", "avif"])
    def test_formats(self, suffix: str, tmp_path: Path) -> None:
        picture = read_image(draw(tmp_path / f"a.{suffix}", quality=100))
        assert picture.shape == (6, 8, 3)
        assert picture.dtype == np.uint8
        assert np.abs(picture[5, 7].astype(int) - RED).max() < 30
        assert picture[0, 0].max() < 60

    @pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_the_orientation_is_applied(self, orientation: int, suffix: str, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored = np.full((40, 60, 3), 255, np.uint8)
        stored[:20, :30] = 0
        corner = {1: (0, 0), 2: (0, 1), 3: (1, 1), 4: (1, 0), 5: (0, 0), 6: (0, 1), 7: (1, 1), 8: (1, 0)}[orientation]
        Image.fromarray(stored).save(tmp_path / f"a.{suffix}", exif=exif)
        picture = read_image(tmp_path / f"a.{suffix}")
        assert picture.shape == ((40, 60, 3) if orientation < 5 else (60, 40, 3))
        height, width = picture.shape[:2]
        dark = picture[height // 4 :: height // 2, width // 4 :: width // 2].max(axis=2) < 128
        assert [tuple(place) for place in np.argwhere(dark)] == [corner]

    def test_damaged_metadata_do_not_matter(self, tmp_path: Path) -> None:
        path = draw(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12\0\x03\xff\xff")
        assert read_image(path).shape == (6, 8, 3)

    def test_grey_and_16_bit_grey(self, tmp_path: Path) -> None:
        values = np.array([[0, 128, 257], [4095, 32768, 65535]], np.uint16)
        for suffix in ("png", "tif"):
            Image.fromarray(values).save(tmp_path / f"a.{suffix}")
            picture = read_image(tmp_path / f"a.{suffix}")
            assert picture[..., 0].tolist() == [[0, 0, 1], [16, 128, 255]]
            assert np.ptp(picture, axis=2).max() == 0
        Image.fromarray(values.astype(np.uint8)).save(tmp_path / "b.png")
        assert np.array_equal(read_image(tmp_path / "b.png")[..., 1], values.astype(np.uint8))

    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            ([0.0, 0.5, 1.0], [0, 128, 255]),
            ([0.0, 127.0, 200.0], [0, 127, 200]),
            ([0.0, 257.0, 65535.0], [0, 1, 255]),
            ([-10.0, 0.0, 10.0], [0, 128, 255]),
            ([-5.0, -5.0, -5.0], [0, 0, 0]),
            ([0.0, np.nan, 1.0], [0, 0, 255]),
            ([0.0, np.inf, 1.0], [0, 0, 255]),
        ],
    )
    def test_float_pictures(self, values: list[float], expected: list[int], tmp_path: Path) -> None:
        tifffile.imwrite(tmp_path / "a.tif", np.array([values], np.float32))
        assert read_image(tmp_path / "a.tif")[0, :, 0].tolist() == expected

    def test_integer_pictures(self, tmp_path: Path) -> None:
        tifffile.imwrite(tmp_path / "a.tif", np.array([[0, 128, 255]], np.int32))
        tifffile.imwrite(tmp_path / "b.tif", np.array([[-1000, 0, 1000]], np.int32))
        assert read_image(tmp_path / "a.tif")[0, :, 0].tolist() == [0, 128, 255]
        assert read_image(tmp_path / "b.tif")[0, :, 0].tolist() == [0, 128, 255]

    def test_what_is_transparent_shows_white(self, tmp_path: Path) -> None:
        colour = Image.new("RGBA", (2, 1), (*RED, 255))
        colour.putpixel((0, 0), (1, 2, 3, 0))
        colour.save(tmp_path / "a.png")
        grey = Image.new("LA", (2, 1), (50, 255))
        grey.putpixel((0, 0), (0, 0))
        grey.save(tmp_path / "b.png")
        palette = Image.new("P", (2, 1), 1)
        palette.putpalette([0, 0, 0, *RED])
        palette.putpixel((0, 0), 0)
        palette.save(tmp_path / "c.png", transparency=0)
        palette.save(tmp_path / "d.gif", transparency=0)
        assert read_image(tmp_path / "a.png").tolist() == [[[255, 255, 255], list(RED)]]
        assert read_image(tmp_path / "b.png").tolist() == [[[255, 255, 255], [50, 50, 50]]]
        assert read_image(tmp_path / "c.png").tolist() == [[[255, 255, 255], list(RED)]]
        assert read_image(tmp_path / "d.gif").tolist() == [[[255, 255, 255], list(RED)]]

    def test_palette_bits_and_cmyk(self, tmp_path: Path) -> None:
        palette = Image.new("P", (2, 1), 0)
        palette.putpalette(RED)
        palette.save(tmp_path / "a.png")
        Image.new("1", (2, 1), 1).save(tmp_path / "b.png")
        Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "c.jpg", quality=100)
        assert read_image(tmp_path / "a.png")[0, 0].tolist() == list(RED)
        assert read_image(tmp_path / "b.png").min() == 255
        red, green, blue = read_image(tmp_path / "c.jpg")[8, 8].tolist()
        assert red > 240
        assert max(green, blue) < 15

    @pytest.mark.parametrize("suffix", ["gif", "tif", "png", "webp"])
    def test_the_first_frame_counts(self, suffix: str, tmp_path: Path) -> None:
        frames = [Image.new("RGB", (8, 6), colour) for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255))]
        frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:])
        red, green, blue = read_image(tmp_path / f"a.{suffix}")[3, 4].tolist()
        assert red > 240
        assert max(green, blue) < 15

    def test_the_content_decides_and_not_the_name(self, tmp_path: Path) -> None:
        assert read_image(draw(tmp_path / "a.jpg", format="PNG"))[5, 7].tolist() == list(RED)

    def test_damaged_files(self, tmp_path: Path) -> None:
        noise = Image.effect_noise((64, 64), 100)
        for suffix, kept in (("jpg", 0.7), ("png", 0.5), ("png", 0.98), ("tif", 0.5), ("gif", 0.5), ("webp", 0.5)):
            path = tmp_path / f"a.{suffix}"
            noise.save(path)
            data = path.read_bytes()
            path.write_bytes(data[: int(len(data) * kept)])
            with pytest.raises(PictureError, match=rf"a\.{suffix} .*\.$") as caught:
                read_image(path)
            assert caught.value.stage == "decode"
            assert "\n" not in str(caught.value)

    def test_what_is_no_picture(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "empty.png").touch()
        (tmp_path / "text.jpg").write_text("Dear all,\n")
        (tmp_path / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
        with pytest.raises(PictureError, match=r"empty\.png is empty \(0 bytes\)"):
            read_image(tmp_path / "empty.png")
        with pytest.raises(PictureError, match=r"text\.jpg holds no picture of a known format; convert it"):
            read_image(tmp_path / "text.jpg")
        for package, advice in (("not_installed", "pip install pillow-heif"), ("json", "convert it")):
            monkeypatch.setattr(decoding, "HEIF_PACKAGE", package)
            with pytest.raises(PictureError, match=rf"phone\.heic .* {advice}"):
                read_image(tmp_path / "phone.heic")

    def test_what_cannot_be_opened(self, tmp_path: Path) -> None:
        for path in (tmp_path / "gone.png", tmp_path, tmp_path / ("x" * 300), tmp_path / "a\0b"):
            with pytest.raises(PictureError, match="cannot be read") as caught:
                read_image(path)
            assert caught.value.stage == "read"

    def test_a_header_that_claims_too_much_is_not_believed(self, tmp_path: Path) -> None:
        path = draw(tmp_path / "bomb.png")
        data = bytearray(path.read_bytes())
        data[16:24] = (60_000).to_bytes(4, "big") * 2
        data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
        path.write_bytes(data)
        limit = Image.MAX_IMAGE_PIXELS
        with pytest.raises(PictureError, match=r"bomb\.png claims 60000 x 60000 pixels; at most 512 megapixels"):
            read_image(path)
        assert limit == Image.MAX_IMAGE_PIXELS
        with pytest.raises(PictureError, match="at most 0 megapixels"):
            read_image(draw(tmp_path / "a.png"), max_megapixels=0)

    def test_pictures_above_pillows_own_limit_are_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
        for suffix in ("png", "tif", "gif"):
            assert read_image(draw(tmp_path / f"a.{suffix}")).shape == (6, 8, 3)

    def test_nothing_is_said_about_odd_metadata(self, tmp_path: Path) -> None:
        path = tmp_path / "a.png"
        palette = Image.new("P", (2, 1), 1)
        palette.putpalette([0, 0, 0, *RED])
        palette.save(path, transparency=b"\0\x80")
        with warnings.catch_warnings(record=True) as caught:
            read_image(path)
        assert not caught


class TestResizing:
    @pytest.mark.parametrize("size", [(96, 64), (300, 471), (50, 40)])
    def test_it_is_torchvisions(self, size: tuple[int, int]) -> None:
        noise = np.random.default_rng(0).integers(0, 256, (150, 157, 3), np.uint8)
        expected = F.resize(torch.from_numpy(noise).permute(2, 0, 1), list(size), antialias=True).permute(1, 2, 0)
        assert np.abs(resized(Image.fromarray(noise), *size).astype(int) - expected.numpy()).max() <= 1

    def test_of_a_much_larger_picture_nearly_so(self) -> None:
        waves = (np.sin(np.arange(900) / 40)[:, None] + np.sin(np.arange(1300) / 50))[:, :, None] * 60 + 128
        noise = np.random.default_rng(0).normal(0, 20, (900, 1300, 3))
        picture = (waves + noise).clip(0, 255).astype(np.uint8)
        expected = F.resize(torch.from_numpy(picture).permute(2, 0, 1), [64, 96], antialias=True).permute(1, 2, 0)
        difference = np.abs(resized(Image.fromarray(picture), 64, 96).astype(int) - expected.numpy())
        assert difference.mean() < 1
        assert difference.max() <= 3
