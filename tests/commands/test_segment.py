"""`lseg segment` from the command line to the files."""

import json
import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_image

from lseg_cli.config import ModelConfig
from lseg_cli.model.checkpoint import save_model
from lseg_cli.model.lseg import build
from tests.command_line import lseg

LABELS = "person, sky, other"
PHOTO: NDArray[np.uint8] = load_sample_image("china.jpg")


def segment(*arguments: str) -> int:
    return lseg("segment", *arguments)


def photo(path: str, width: int = 120, height: int = 80, **options: Any) -> Image.Image:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(PHOTO).resize((width, height))
    picture.save(path, **options)
    return picture


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(name).read_text("utf-8").splitlines()]


def mask_size(name: str) -> tuple[int, int]:
    with Image.open(name) as mask:
        size: tuple[int, int] = mask.size
        return size


@pytest.mark.usefixtures("model")
class TestARun:
    def test_a_folder_becomes_masks_and_records(self, capsys: pytest.CaptureFixture[str]) -> None:
        photo("in/a.jpg")
        photo("in/sub/b ü.png", 50, 70)
        assert segment("in", "-l", LABELS) == 0
        assert mask_size("out/masks/a.png") == (120, 80)
        assert mask_size("out/masks/sub/b ü.png") == (50, 70)
        results = lines("out/results.jsonl")
        assert [result["source"] for result in results] == ["in/a.jpg", "in/sub/b ü.png"]
        assert list(results[0]["ms"]) == ["read", "preprocess", "infer", "postprocess", "write"]
        assert sum(results[0]["share"].values()) == pytest.approx(1, abs=1e-5)
        run = json.loads(Path("out/run.json").read_text())
        assert run["counts"] == {"found": 2, "done": 2, "failed": 0, "done_before": 0}
        assert list(run["stages"]) == ["read", "preprocess", "infer", "postprocess", "write"]
        assert sum(stage["share"] for stage in run["stages"].values()) == pytest.approx(1, abs=1e-3)
        assert run["exit_code"] == 0
        assert run["options"]["labels"] == LABELS
        assert run["device"] == "cpu"
        assert [label["name"] for label in json.loads(Path("out/labels.json").read_text())["labels"]] == [
            "person", "sky", "other",
        ]  # fmt: skip
        said = capsys.readouterr()
        assert said.out == ""
        assert "2 of 2 pictures segmented on cpu: masks in out/masks." in said.err
        assert "person" in said.err

    def test_a_broken_file_costs_itself_alone(self, capsys: pytest.CaptureFixture[str]) -> None:
        photo("in/a.jpg")
        Path("in/b.jpg").write_text("no picture")
        photo("in/c.png")
        Path("in/d.png").touch()
        assert segment("in", "-l", LABELS, "-q") == 3
        assert len(lines("out/results.jsonl")) == 2
        failures = lines("out/failures.jsonl")
        assert [(failure["source"], failure["stage"]) for failure in failures] == [
            ("in/b.jpg", "decode"), ("in/d.png", "decode"),
        ]  # fmt: skip
        error = capsys.readouterr().err
        assert "in/b.jpg holds no picture" in error
        assert "2 of 4 pictures failed: see out/failures.jsonl." in error
        assert "masks in" not in error
        assert json.loads(Path("out/run.json").read_text())["exit_code"] == 3

    def test_when_everything_fails_the_exit_code_says_so(self) -> None:
        Path("a.jpg").write_text("no picture")
        assert segment("a.jpg", "-l", LABELS) == 4
        assert json.loads(Path("out/run.json").read_text())["exit_code"] == 4

    def test_nothing_to_do(self, capsys: pytest.CaptureFixture[str]) -> None:
        Path("in").mkdir()
        assert segment("in", "-l", LABELS) == 4
        assert capsys.readouterr().err.startswith("lseg: There is no picture in in; looked for jpg")
        assert not Path("out").exists()

    def test_same_stems_keep_their_extensions(self) -> None:
        for name in ("in/bus.jpg", "in/bus.png", "in/car.png"):
            photo(name)
        assert segment("in", "-l", LABELS) == 0
        masks = sorted(path.name for path in Path("out/masks").iterdir())
        assert masks == ["bus.jpg.png", "bus.png.png", "car.png"]

    def test_several_folders_do_not_overwrite_each_other(self) -> None:
        photo("x/in/1.jpg")
        photo("y/in/1.jpg")
        assert segment("x/in", "y/in", "-l", LABELS) == 0
        assert Path("out/masks/x/in/1.png").exists()
        assert Path("out/masks/y/in/1.png").exists()

    def test_a_turned_picture_gets_a_turned_mask(self) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        upright = photo("upright.png", 80, 120)
        upright.transpose(Image.Transpose.ROTATE_90).save("turned.png", exif=exif)
        assert segment("upright.png", "turned.png", "-l", LABELS) == 0
        assert mask_size("out/masks/turned.png") == (80, 120)
        with Image.open("out/masks/upright.png") as one, Image.open("out/masks/turned.png") as other:
            assert np.array_equal(np.asarray(one), np.asarray(other))

    def test_odd_pictures(self) -> None:
        picture = photo("in/rgb.png")
        picture.convert("L").save("in/grey.png")
        picture.convert("CMYK").save("in/cmyk.jpg")
        picture.convert("P").save("in/palette.gif")
        picture.convert("RGBA").save("in/alpha.webp")
        Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257).save("in/16-bit.tif")
        Image.new("RGB", (1, 1)).save("in/pixel.bmp")
        Image.new("RGB", (400, 3)).save("in/strip.png")
        assert segment("in", "-l", LABELS) == 0
        sizes = {path.stem: mask_size(str(path)) for path in Path("out/masks").iterdir()}
        assert sizes.pop("pixel") == (1, 1)
        assert sizes.pop("strip") == (400, 3)
        assert set(sizes.values()) == {(120, 80)}
        with Image.open("out/masks/grey.png") as grey, Image.open("out/masks/16-bit.png") as deep:
            assert np.array_equal(np.asarray(grey), np.asarray(deep))

    def test_overlay_and_confidence_and_ignored_pixels(self) -> None:
        photo("a.jpg")
        assert (
            segment("a.jpg", "-l", LABELS, "--save", "overlay,conf", "--min-confidence", "0.4", "--imgsz", "64x96") == 0
        )
        with Image.open("out/masks/a.png") as mask, Image.open("out/conf/a.png") as confidence:
            unsure = np.asarray(confidence) < 0.4 * 255 - 0.5
            sure = np.asarray(confidence) > 0.4 * 255 + 0.5
            assert (np.asarray(mask)[unsure] == 255).all()
            assert (np.asarray(mask)[sure] < 3).all()
        assert Path("out/overlays/a.jpg").exists()
        (result,) = lines("out/results.jsonl")
        assert result["ignored"] > 0

    def test_the_order_of_labels_changes_ids_alone(self) -> None:
        photo("a.png")
        assert segment("a.png", "-l", "person,sky,other", "-o", "one") == 0
        assert segment("a.png", "-l", "other,person,sky", "-o", "two") == 0
        with Image.open("one/masks/a.png") as one, Image.open("two/masks/a.png") as two:
            moved = np.array([1, 2, 0], np.uint8)[np.asarray(one)]
            assert (moved != np.asarray(two)).mean() < 1e-3

    def test_results_of_an_earlier_run_are_no_pictures(self) -> None:
        photo("a.png")
        assert segment("a.png", "-l", LABELS) == 0
        assert segment(".", "-l", LABELS, "--overwrite") == 0
        assert [result["mask"] for result in lines("out/results.jsonl")] == ["masks/a.png"]

    def test_events(self, capsys: pytest.CaptureFixture[str]) -> None:
        photo("a.png")
        Path("b.png").touch()
        assert segment("a.png", "b.png", "-l", "sky", "--json", "-q") == 3
        events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [event["event"] for event in events] == ["notice", "start", "done", "failed", "end"]
        assert all(datetime.fromisoformat(event.pop("time")).utcoffset() == timedelta(0) for event in events)
        assert events[2]["mask"] == "masks/a.png"
        assert events[-1] == {
            "event": "end", "total": 2, "done_before": 0, "done": 1, "failed": 1, "exit_code": 3,
        }  # fmt: skip

    def test_options_from_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        photo("a.png")
        monkeypatch.setenv("LSEG_SEGMENT_LABELS", LABELS)
        monkeypatch.setenv("LSEG_SEGMENT_OUT", "elsewhere")
        assert segment("a.png") == 0
        assert Path("elsewhere/masks/a.png").exists()

    @pytest.mark.parametrize(
        ("arguments", "code", "sentence"),
        [
            (["-l", " , "], 2, "No label is given"),
            (["-l", LABELS, "--imgsz", "big"], 2, "--imgsz 'big' is not a valid size; give the long side (480) or"),
            (["-l", LABELS, "--imgsz", "100x64"], 2, "sides must be multiples of 32"),
            (["-l", LABELS, "--save", "svg"], 2, "--save svg is not known"),
            (["-l", LABELS, "-m", "nowhere"], 2, "There is no model 'nowhere'"),
            (
                ["-l", LABELS, "--engine", "caffe"],
                2,
                "Invalid value for '--engine': 'caffe' is not one of 'auto', 'torch', 'onnx', 'openvino', 'trt'.",
            ),
            (["-l", LABELS, "--engine", "onnx"], 5, "is a .safetensors file, and --engine onnx runs .onnx files"),
            (["-l", LABELS, "-d", "cuda:9"], 6, "The device 'cuda:9' is not here"),
            (["-l", LABELS, "--precision", "fp16", "-d", "cpu"], 6, "fp16 needs a CUDA device"),
            (["-l", LABELS, "--template", "no place"], 2, "has no place for the label"),
            (["gone.png", "-l", LABELS], 2, "There is no file or folder 'gone.png'"),
        ],
    )
    def test_what_cannot_be_done_is_told_in_a_sentence(
        self, arguments: list[str], code: int, sentence: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        photo("a.png")
        assert segment("a.png", *arguments) == code
        error = capsys.readouterr().err
        assert sentence in error
        assert error.startswith("lseg: ")
        assert error.count("\n") == 1
        assert not Path("out").exists()

    def test_a_model_of_another_width_is_refused(
        self, pyramid_config: ModelConfig, capsys: pytest.CaptureFixture[str]
    ) -> None:
        save_model(build(pyramid_config), Path("narrow.safetensors"))
        photo("a.png")
        assert segment("a.png", "-l", LABELS, "-m", "narrow.safetensors") == 5
        assert capsys.readouterr().err.startswith("lseg: ")

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
    def test_a_folder_that_cannot_be_written_is_told(self, capsys: pytest.CaptureFixture[str]) -> None:
        photo("a.png")
        Path("locked").mkdir(mode=0o500)
        assert segment("a.png", "-l", LABELS, "-o", "locked/out") == 2
        assert "cannot be written (Permission denied); choose another -o." in capsys.readouterr().err
