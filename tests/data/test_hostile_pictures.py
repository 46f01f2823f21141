"""Files that are called pictures: none is run, none is waited for, and each refusal names what the file is."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin, TiffTags

from lseg_cli.data.images import PictureError, open_image, open_picture
from lseg_cli.data.masks import read_mask
from lseg_cli.errors import DataError

POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 6\n{} loop\n"
RED = (200, 30, 40)


def refused(path: Path) -> str:
    with pytest.raises(PictureError) as caught:
        open_image(path)
    return str(caught.value).removeprefix(f"{path} ")


class TestNothingRuns:
    @pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.eps", "a.tif"])
    def test_postscript_is_never_run(self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def run(*arguments: Any, **options: Any) -> None:
            raise AssertionError(f"a program was started: {arguments}")

        for starter in ("Popen", "call", "check_call", "check_output"):
            monkeypatch.setattr(subprocess, starter, run)
        (tmp_path / name).write_bytes(POSTSCRIPT)
        assert refused(tmp_path / name) == "is PostScript, which is a program and is never run; convert it to PNG."
        with pytest.raises(DataError, match="cannot be read as a mask: it is PostScript"):
            read_mask(tmp_path / name)

    @pytest.mark.parametrize(
        ("content", "kind"),
        [
            (b"%PDF-1.7\n", "a PDF"),
            (b"\0\0\0\x18ftypmp42\0\0\0\0", "a film"),
            (b"\0\0\0\x18ftypcrx \0\0\0\1", "a camera's raw file"),
            (b"FUJIFILMCCD-RAW 0201", "a camera's raw file"),
            (b"\xff\x0a\xfa\x1f", "a JPEG XL picture"),
        ],
    )
    def test_other_kinds_are_named(self, content: bytes, kind: str, tmp_path: Path) -> None:
        (tmp_path / "a.jpg").write_bytes(content + bytes(64))
        assert refused(tmp_path / "a.jpg") == f"is {kind}; convert it to PNG."


class TestNothingIsWaitedFor:
    def test_a_named_pipe_is_not_opened(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.png")
        assert refused(tmp_path / "pipe.png") == "cannot be read (it is a named pipe, not a file)."

    def test_a_device_behind_a_link_is_not_opened(self, tmp_path: Path) -> None:
        (tmp_path / "zero.png").symlink_to("/dev/zero")
        assert refused(tmp_path / "zero.png") == "cannot be read (it is a device, not a file)."

    def test_a_sparse_file_of_50_gb_is_not_read(self, tmp_path: Path) -> None:
        with (tmp_path / "huge.gif").open("wb") as file:
            file.truncate(50_000_000_000)
        assert "it has 50,000.0 MB; at most 8,192.0 MB are read" in refused(tmp_path / "huge.gif")

    @pytest.mark.parametrize("head", [b"GIF89a\x08\0\x06\0\0\0\0", b"\xff\xd8\xff\xe0\0\x02"])
    def test_a_gigabyte_of_nothing_behind_a_header_is_given_up(self, head: bytes, tmp_path: Path) -> None:
        with (tmp_path / "a.gif").open("wb") as file:
            file.write(head)
            file.truncate(1_000_000_000)
        assert refused(tmp_path / "a.gif") == "is damaged: it does not end."

    def test_a_palette_that_is_not_whole_fails_in_a_sentence(self, tmp_path: Path) -> None:
        path = tmp_path / "a.png"
        palette = Image.new("P", (2, 1), 1)
        palette.putpalette([0, 0, 0, *RED])
        palette.save(path)
        data = path.read_bytes()
        at = data.index(b"PLTE") - 4
        path.write_bytes(data[:at] + data[at + 12 + int.from_bytes(data[at : at + 4], "big") :])  # without the palette
        assert refused(path) == "is damaged: its colours are not whole."


def write_tiff(path: Path, values: NDArray[np.generic], **options: Any) -> Path:
    tifffile.imwrite(path, values, **options)
    return path


class TestTiff:
    def colours(self) -> NDArray[np.uint8]:
        return np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)

    def test_a_near_infrared_band_is_left_out_though_marked_as_transparency(self, tmp_path: Path) -> None:
        rgb = self.colours()
        infrared = np.random.default_rng(1).integers(0, 256, (40, 60, 1), np.uint8)
        path = write_tiff(tmp_path / "a.tif", np.concatenate([rgb, infrared], 2), photometric="rgb", extrasamples=[2])
        picture = open_picture(path)
        assert (np.asarray(picture.image) == rgb).all()
        assert picture.valid is None
        assert picture.values == "the last band is not transparency and is left out"

    def test_transparency_of_an_orthophoto_is_no_data(self, tmp_path: Path) -> None:
        rgb = self.colours()
        alpha = np.full((40, 60, 1), 255, np.uint8)
        alpha[:, :20] = 0
        path = write_tiff(tmp_path / "a.tif", np.concatenate([rgb, alpha], 2), photometric="rgb", extrasamples=[2])
        valid = open_picture(path).valid
        assert valid is not None
        assert (valid == (alpha[..., 0] > 0)).all()

    @pytest.mark.parametrize("bits", [8, 16])
    def test_gdals_tag_says_what_is_no_data(self, bits: int, tmp_path: Path) -> None:
        rgb = np.maximum(self.colours(), 1).astype(f"u{bits // 8}")
        rgb[:, :10] = 0
        path = write_tiff(tmp_path / "a.tif", rgb, photometric="rgb", extratags=[(42113, "s", 0, "0", True)])
        picture = open_picture(path)
        assert picture.valid is not None
        assert (picture.valid == (rgb > 0).all(axis=2)).all()
        assert "0 is no data" in picture.values

    def test_floats_of_three_bands_are_read(self, tmp_path: Path) -> None:
        rgb = self.colours()
        path = write_tiff(tmp_path / "a.tif", (rgb / 255).astype(np.float32), photometric="rgb")
        picture = open_picture(path)
        assert (np.asarray(picture.image) == rgb).all()
        assert picture.values == "0 to 1 as 0 to 255"

    def test_16_bit_colours_are_not_cut_to_their_upper_8_bits(self, tmp_path: Path) -> None:
        rgb = self.colours()
        path = write_tiff(tmp_path / "a.tif", (100 + 12 * rgb.astype(np.uint16)), photometric="rgb")
        assert np.abs(np.asarray(open_image(path)).astype(int) - rgb).max() <= 2

    @pytest.mark.parametrize(
        ("shape", "options", "sentence"),
        [
            ((40, 60, 5), {"photometric": "minisblack"}, "holds 5 bands of 8-bit integers that are not marked as red"),
            ((40, 60, 4), {"photometric": "minisblack"}, "holds 4 bands of 8-bit integers that are not marked as red"),
            ((40, 60, 6), {"photometric": "rgb"}, "holds 6 bands of 8-bit integers; keep the first three"),
        ],
    )
    def test_several_bands_are_refused_by_number(
        self, shape: tuple[int, ...], options: dict[str, Any], sentence: str, tmp_path: Path
    ) -> None:
        path = write_tiff(tmp_path / "a.tif", np.zeros(shape, np.uint8), planarconfig="contig", **options)
        assert refused(path).startswith(sentence)
        assert "gdal_translate" in refused(path)

    def test_deep_bands_one_after_the_other_are_refused(self, tmp_path: Path) -> None:
        bands = np.zeros((3, 40, 60), np.uint16)
        path = write_tiff(tmp_path / "a.tif", bands, photometric="rgb", planarconfig="separate")
        assert "INTERLEAVE=PIXEL" in refused(path)

    def test_the_preview_of_a_raw_file_is_no_picture(self, tmp_path: Path) -> None:
        for name, tag in (("a.dng", 50706), ("a.nef", 330)):
            tags = TiffImagePlugin.ImageFileDirectory_v2()
            tags[254], tags[tag] = 1, (8,)
            tags.tagtype[254] = tags.tagtype[tag] = TiffTags.LONG
            Image.new("RGB", (12, 8), RED).save(tmp_path / name, format="TIFF", tiffinfo=tags)
            assert refused(tmp_path / name).startswith("is a camera's raw file, of which only a small preview")

    @pytest.mark.parametrize(("number", "name"), [(50001, "WebP"), (34887, "LERC"), (50002, "JPEG XL")])
    def test_a_compression_that_is_not_read_is_named(
        self, number: int, name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        path = write_tiff(tmp_path / "a.tif", np.zeros((8, 12, 3), np.uint8), photometric="rgb")
        data = bytearray(path.read_bytes())
        at = data.index(b"\x03\x01\x03\0\x01\0\0\0")  # tag 259
        data[at + 8 : at + 10] = number.to_bytes(2, "little")
        path.write_bytes(data)
        assert refused(path).startswith(f"is compressed with {name}, which is not read here")
        assert capfd.readouterr().err == ""

    def test_libtiff_says_nothing_itself(self, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        path = tmp_path / "a.tif"
        Image.effect_noise((64, 64), 100).save(path, compression="tiff_lzw")
        data = path.read_bytes()
        path.write_bytes(data[:100] + bytes(2000) + data[2100:])
        assert "damaged" in refused(path)
        assert capfd.readouterr().err == ""

    def test_half_a_file_of_deep_colours_is_damaged(self, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        values = np.random.default_rng(0).integers(0, 4000, (40, 60, 3), np.uint16)
        path = write_tiff(tmp_path / "a.tif", values, photometric="rgb")
        path.write_bytes(path.read_bytes()[:-6000])
        assert refused(path) == "is damaged: its values cannot be decoded."
        assert capfd.readouterr().err == ""


def test_deep_colours_of_png_are_scaled_too(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    rgb = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), (100 + 12 * rgb.astype(np.uint16))[..., ::-1])
    picture = open_picture(tmp_path / "a.png")
    assert np.abs(np.asarray(picture.image).astype(int) - rgb).max() <= 2
    assert picture.values.startswith("1")


def test_python_is_the_only_program(tmp_path: Path) -> None:
    """In a process of its own, with a hook that sees every start of a program."""
    (tmp_path / "a.jpg").write_bytes(POSTSCRIPT)
    Image.new("RGB", (8, 6), RED).save(tmp_path / "b.png")
    program = (
        "import sys; from pathlib import Path; from lseg_cli.data.images import open_image, PictureError\n"
        "started = []\n"
        "sys.addaudithook(lambda event, facts: started.append(event) if event in "
        "('subprocess.Popen', 'os.exec', 'os.posix_spawn', 'os.system', 'os.fork') else None)\n"
        f"open_image(Path({str(tmp_path / 'b.png')!r}))\n"
        f"try:\n    open_image(Path({str(tmp_path / 'a.jpg')!r}))\nexcept PictureError:\n    pass\n"
        "sys.exit(len(started))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
