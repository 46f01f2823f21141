"""Pictures are found and read whatever they hold; what cannot be read is told in one sentence."""

import io
import os
import sys
import threading
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from lseg_cli.data.images import PictureError, find_images, read_image
from lseg_cli.errors import DataError, LsegError

RED = (200, 30, 40)


def draw(path: Path, **options: Any) -> Path:
    """A red picture, 8 wide and 6 high, whose left upper quarter is black."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.new("RGB", (8, 6), RED)
    picture.paste((0, 0, 0), (0, 0, 4, 3))
    picture.save(path, **options)
    return path


def names(*inputs: str | Path) -> list[str]:
    return [source.name for source in find_images([str(each) for each in inputs])]


class TestFinding:
    def test_folders_are_searched_recursively_and_sorted(self, tmp_path: Path) -> None:
        for name in ("b.png", "a/z.JPG", "a.tiff", "c/d/e.webp", "notes.txt"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        assert names(tmp_path) == ["a.tiff", "a/z.JPG", "b.png", "c/d/e.webp"]

    def test_hidden_files_and_folders_are_skipped_but_taken_when_named(self, tmp_path: Path) -> None:
        draw(tmp_path / "a.png")
        hidden = draw(tmp_path / ".b.png")
        draw(tmp_path / ".git" / "c.png")
        assert names(tmp_path) == ["a.png"]
        assert names(hidden) == [".b.png"]

    def test_a_named_file_is_taken_whatever_its_extension(self, tmp_path: Path) -> None:
        path = draw(tmp_path / "picture.dat", format="PNG")
        assert names(path) == ["picture.dat"]

    def test_patterns(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("in/a.png", "in/b.jpg", "in/deep/er/c.png", "in/.d/e.png", "in/f.txt", "in/g.dat"):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        monkeypatch.chdir(tmp_path)
        assert names("in/*.png") == ["a.png"]
        assert names("in/**/*.png") == ["a.png", "deep/er/c.png"]
        assert names("in/**") == ["a.png", "b.jpg", "deep/er/c.png"]
        assert names("in/*") == ["a.png", "b.jpg", "deep/er/c.png"]
        assert names("in/*.dat") == ["g.dat"]
        assert names("*/deep") == ["in/deep/er/c.png"]
        with pytest.raises(DataError, match="no picture in in/x"):
            names("in/x*.png")

    def test_a_file_whose_name_looks_like_a_pattern_is_that_file(self, tmp_path: Path) -> None:
        assert names(draw(tmp_path / "photo [1]*.png")) == ["photo [1]*.png"]

    def test_a_file_whose_name_starts_with_at_is_that_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        draw(tmp_path / "@home.png")
        monkeypatch.chdir(tmp_path)
        assert names("@home.png") == ["@home.png"]

    def test_lists(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        draw(tmp_path / "a.png")
        draw(tmp_path / "sub" / "ü b.png")
        (tmp_path / "list.txt").write_bytes("\ufeff# mine\r\na.png\r\n\r\nsub\r\ngone.png\r\n".encode())
        monkeypatch.chdir(tmp_path)
        assert names("@list.txt") == ["a.png", "ü b.png", "gone.png"]  # the last fails when read: it is counted
        with pytest.raises(LsegError, match=r"The list of pictures none\.txt cannot be read"):
            names("@none.txt")

    @pytest.mark.parametrize("end", ["\n", "\0"])
    def test_names_on_stdin(self, end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        paths = [draw(tmp_path / "a.png"), draw(tmp_path / "b c.png")]
        data = end.join(str(path) for path in paths) + end
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data.encode())))
        assert names("-") == ["a.png", "b c.png"]

    def test_the_same_file_is_taken_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        draw(tmp_path / "in" / "a.png")
        monkeypatch.chdir(tmp_path)
        assert names("in", "in/a.png", tmp_path / "in", "./in/../in/a.png") == ["a.png"]

    def test_loops_of_links_end_and_real_folders_come_first(self, tmp_path: Path) -> None:
        draw(tmp_path / "real" / "a.png")
        (tmp_path / "another").symlink_to(tmp_path / "real", target_is_directory=True)
        (tmp_path / "real" / "loop").symlink_to(tmp_path, target_is_directory=True)
        assert names(tmp_path) == ["real/a.png"]

    def test_a_linked_file_is_a_name_of_its_own_and_a_broken_link_is_counted(self, tmp_path: Path) -> None:
        draw(tmp_path / "a.png")
        (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
        (tmp_path / "c.png").symlink_to(tmp_path / "gone.png")
        assert names(tmp_path) == ["a.png", "b.png", "c.png"]

    def test_results_of_earlier_runs_are_passed_over(self, tmp_path: Path) -> None:
        draw(tmp_path / "a.png")
        draw(tmp_path / "masks" / "mine.png")  # a folder that happens to have the name
        for name in ("masks/a.png", "overlays/a.jpg", "conf/a.png"):
            draw(tmp_path / "out" / name)
        (tmp_path / "out" / "results.jsonl").touch()
        assert names(tmp_path) == ["a.png", "masks/mine.png"]
        assert names(tmp_path / "**" / "*.*") == ["a.png", "masks/mine.png"]
        assert names(tmp_path / "out" / "masks") == ["a.png"]  # asked for
        with pytest.raises(DataError, match="no picture"):
            names(tmp_path / "out")

    def test_a_folder_that_cannot_be_opened_is_counted(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        draw(tmp_path / "a.png")
        (tmp_path / "locked").mkdir()
        scandir = os.scandir

        def refuse(path: Path) -> object:
            if Path(path).name == "locked":
                raise PermissionError(13, "Permission denied")
            return scandir(path)

        monkeypatch.setattr(os, "scandir", refuse)
        assert names(tmp_path) == ["a.png", "locked"]
        with pytest.raises(PictureError, match="locked cannot be read"):
            read_image(tmp_path / "locked")

    @pytest.mark.parametrize("missing", ["gone.png", "gone/", ""])
    def test_a_missing_path_is_a_usage_error(self, missing: str) -> None:
        with pytest.raises(LsegError, match="There is no file or folder") as caught:
            names(missing)
        assert caught.value.exit_code == 2

    def test_nothing_found_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").touch()
        with pytest.raises(DataError, match=r"There is no picture in .*; looked for jpg"):
            names(tmp_path)


class TestReading:
    @pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif", "bmp", "gif", "avif"])
    def test_formats(self, suffix: str, tmp_path: Path) -> None:
        picture = read_image(draw(tmp_path / f"a.{suffix}", quality=100))
        assert picture.shape == (6, 8, 3)
        assert picture.dtype == np.uint8
        assert picture.flags.writeable
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

    def test_a_pipe_is_read(self, tmp_path: Path) -> None:
        data = draw(tmp_path / "a.png").read_bytes()
        os.mkfifo(tmp_path / "pipe")
        writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(data,))
        writer.start()
        assert read_image(tmp_path / "pipe").shape == (6, 8, 3)
        writer.join()

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

    def test_what_is_no_picture(self, tmp_path: Path) -> None:
        (tmp_path / "empty.png").touch()
        (tmp_path / "text.jpg").write_text("Dear all,\n")
        (tmp_path / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
        with pytest.raises(PictureError, match=r"empty\.png is empty \(0 bytes\)"):
            read_image(tmp_path / "empty.png")
        with pytest.raises(PictureError, match=r"text\.jpg holds no picture of a known format; convert it"):
            read_image(tmp_path / "text.jpg")
        with pytest.raises(PictureError, match=r"phone\.heic .* pip install pillow-heif"):
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
