"""`lseg eval` from the command line to its report."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lseg_cli.config import ModelConfig
from lseg_cli.model.checkpoint import save_model
from lseg_cli.model.lseg import build
from lseg_export.options import GraphOptions
from tests.command_line import lseg
from tests.conftest import CLASSES, HEIGHT_PX, WIDTH_PX
from tests.data.miniatures import MAKERS

Exporter = Callable[[ModelConfig, GraphOptions], tuple[Path, Path]]


Report = dict[str, Any]
Evaluate = Callable[..., Report]


@pytest.fixture
def evaluated(model: Path, mini: Path, capsys: pytest.CaptureFixture[str]) -> Evaluate:
    """Runs the command on the small data set; its report."""
    assert model.is_file()

    def evaluate(*arguments: object) -> Report:
        assert lseg("eval", "--data", mini, "-d", "cpu", "--threads", "1", "--json", *arguments) == 0
        report: Report = json.loads(capsys.readouterr().out)
        return report

    return evaluate


def labelled(mini: Path) -> int:
    masks = [np.asarray(Image.open(path)) for path in sorted((mini.parent / "masks" / "val").iterdir())]
    return int(sum((mask != 255).sum() for mask in masks))


def test_the_report_is_one_of_the_whole_set(evaluated: Evaluate, model: Path, mini: Path) -> None:
    report = evaluated()
    assert (report["data"], report["split"], report["pictures"]) == ("mini", "val", 2)
    assert report["protocol"] == {"name": "whole", "imgsz": None}
    (result,) = report["results"]
    assert (result["model"], result["device"], result["precision"]) == (str(model), "cpu", "fp32")
    matrix = np.array(result["confusion"]["pixels"])
    assert matrix.shape == (3, 4)
    assert matrix.sum() == labelled(mini)
    assert result["pixel_accuracy"] == pytest.approx(matrix.trace() / matrix.sum())
    hits = matrix.diagonal()
    union = matrix.sum(1) + matrix.sum(0)[:3] - hits
    ious = [float(hit / whole) if whole else None for hit, whole in zip(hits, union, strict=True)]
    assert result["class_iou"] == pytest.approx(dict(zip(CLASSES, ious, strict=True)))
    assert result["paper"] is None


def test_masks_of_segment_give_the_same_figures(evaluated: Evaluate, mini: Path) -> None:
    """An independent count, of files."""
    assert lseg("segment", mini.parent / "images" / "val", "-l", ",".join(CLASSES), "-d", "cpu", "-q") == 0
    pairs = np.zeros((3, 3), int)
    for path in sorted((mini.parent / "masks" / "val").iterdir()):
        truth, given = np.asarray(Image.open(path)), np.asarray(Image.open(Path("out") / "masks" / path.name))
        for row, column in np.ndindex(3, 3):
            pairs[row, column] += ((truth == row) & (given == column)).sum()
    matrix = np.array(evaluated()["results"][0]["confusion"]["pixels"])
    assert (matrix[:, :3] == pairs).all()
    assert not matrix[:, 3].any()


def test_masks_can_be_measured_in_place_of_a_model(
    evaluated: Evaluate, mini: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = evaluated()["results"][0]["confusion"]
    labels = "other=lava," + ",".join(CLASSES[::-1])
    assert lseg("segment", mini.parent / "images" / "val", "-l", labels, "-d", "cpu", "-q") == 0
    result = evaluated("--masks", "out")["results"][0]
    assert result["model"] == "out"
    assert result["confusion"]["predicted"] == [*CLASSES, "other", "none of them"]
    given, own = np.array(result["confusion"]["pixels"]), np.array(expected["pixels"])
    assert (given[:, :3] <= own[:, :3]).all()  # what the other label took came from the classes
    assert (given.sum(1) == own.sum(1)).all()
    assert lseg("eval", "--data", mini, "--masks", "out", "-l", "a,b,c") == 2
    assert "--labels cannot be combined with --masks" in capsys.readouterr().err


def test_an_exported_file_has_the_figures_of_its_model(
    exported: Exporter, pyramid_config: ModelConfig, word_width: int, mini: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = pyramid_config.text.model_copy(update={"width": word_width})
    model, graph = exported(pyramid_config.model_copy(update={"text": text}), GraphOptions())
    assert lseg("eval", "--compare", model, graph, "--data", mini, "-d", "cpu", "--threads", "1", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    first, second = report["results"]
    assert report["comparison"]["equal_labels"] >= 0.999
    assert first["mean_iou"] == pytest.approx(second["mean_iou"], abs=1e-3)
    assert report["comparison"]["mean_iou"] == second["mean_iou"] - first["mean_iou"]
    assert lseg("eval", "--compare", model, graph, "--data", mini, "-d", "cpu", "-q") == 0
    assert "of pixels have equal labels" in capsys.readouterr().out


def test_other_words_and_a_vocabulary_can_be_evaluated(evaluated: Evaluate, capsys: pytest.CaptureFixture[str]) -> None:
    own = evaluated()
    assert lseg("labels", "compile", "car,sky,road", "-o", "words.safetensors", "-q") == 0
    capsys.readouterr()
    compiled = evaluated("-l", "words.safetensors")  # the classes' own names, in another order
    assert compiled["results"][0]["confusion"] == own["results"][0]["confusion"]
    assert compiled["labels"] == ["car", "sky", "road"]
    other = evaluated("-l", "heaven,street,sedan")
    assert other["labels"] == ["heaven", "street", "sedan"]
    assert list(other["results"][0]["class_iou"]) == list(CLASSES)


def test_no_confidence_no_label(evaluated: Evaluate, mini: Path) -> None:
    (result,) = evaluated("--min-confidence", "1")["results"]
    matrix = np.array(result["confusion"]["pixels"])
    assert result["confusion"]["predicted"][-1] == "none of them"
    assert matrix[:, -1].sum() / labelled(mini) == pytest.approx(result["no_label"])
    assert result["no_label"] > 0.9
    assert result["pixel_accuracy"] < 0.1


@pytest.mark.parametrize("protocol", ["whole", "slide"])
def test_a_class_that_is_not_asked_for_can_be_rejected(evaluated: Evaluate, protocol: str) -> None:
    report = evaluated("--without", "car", "--extra-labels", "lava, unicorn", "--protocol", protocol, "--window", "64")
    assert (report["labels"], report["extra_labels"]) == (["sky", "road"], ["lava", "unicorn"])
    assert report["left_out"] == ["car"]
    (result,) = report["results"]
    assert result["class_iou"]["car"] == 0
    assert result["asked_iou"] == pytest.approx((result["class_iou"]["sky"] + result["class_iou"]["road"]) / 2)
    matrix = np.array(result["confusion"]["pixels"])
    assert matrix.shape == (3, 6)
    assert not matrix[:, 2].any()
    assert result["rejected"] == {"car": pytest.approx(matrix[2, 3:].sum() / matrix[2].sum())}
    assert result["extra"] == pytest.approx(matrix[:, 3:5].sum() / matrix.sum())


def test_merged_and_unseen_classes(evaluated: Evaluate) -> None:
    Path("merge.yaml").write_text("below: [road, car]\n")
    apart, merged = evaluated()["results"][0], evaluated("--label-map", "merge.yaml", "--unseen", "below")["results"][0]
    small, large = np.array(merged["confusion"]["pixels"]), np.array(apart["confusion"]["pixels"])
    assert merged["confusion"]["classes"] == ["sky", "below"]
    assert small[1, 1] == large[1:, 1:3].sum()
    assert small[0, 0] == large[0, 0]
    assert merged["unseen_iou"] == merged["class_iou"]["below"]
    assert merged["seen_iou"] == merged["class_iou"]["sky"]


def test_the_papers_protocol_runs(evaluated: Evaluate) -> None:
    """On a picture of 64 x 96 as large as it would be: 520 pixels."""
    report = evaluated("--protocol", "lseg-paper")
    assert report["protocol"]["scales"] == [0.5, 0.75, 1.0, 1.25, 1.5, 1.75]
    assert (report["protocol"]["window_px"], report["protocol"]["stride_px"]) == (480, 320)
    assert report["pictures"] == 2


def test_a_folder_gets_the_report_the_tables_and_the_picture(
    evaluated: Evaluate, mini: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = evaluated("-o", "report")
    assert json.loads(Path("report/report.json").read_text()) == report
    with Path("report/classes.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert [row[0] for row in rows] == ["class", *CLASSES]
    with Path("report/confusion.csv").open(newline="") as file:
        table = list(csv.reader(file))
    assert table[0] == ["class", *CLASSES, "none of them"]
    assert [[int(cell) for cell in row[1:]] for row in table[1:]] == report["results"][0]["confusion"]["pixels"]
    with Image.open("report/confusion.png") as picture:
        assert picture.width > picture.height > 50
    assert sorted(path.name for path in Path("report").iterdir()) == [
        "classes.csv",
        "confusion.csv",
        "confusion.png",
        "report.json",
    ]
    assert lseg("val", "--data", mini, "-d", "cpu", "-q") == 0  # the alias; for people
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["class", *CLASSES]
    assert any(line.startswith("mIoU") for line in lines)


@pytest.mark.slow
def test_several_processes_count_what_one_counts(evaluated: Evaluate, mini: Path, tmp_path: Path) -> None:
    """Three for two pictures: one has nothing to do."""
    alone = evaluated()
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "3"]
    arguments = ["-m", "lseg_cli", "eval", "--data", str(mini), "-d", "cpu", "--threads", "1", "--json"]
    root = Path(__file__).parents[2]
    sources = os.pathsep.join(str(root / part) for part in (".", "export", "engines"))
    environment = os.environ | {"PYTHONPATH": sources, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == alone


def test_a_zero_shot_protocol_runs(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lseg_cli.data.episodes.COUNT", 1)
    root = MAKERS["pascal5i"](tmp_path / "voc")
    arguments = ("eval", "-m", model, "--data", f"pascal5i:{root}", "--protocol", "pascal5i", "-d", "cpu", "-q")
    assert lseg(*arguments, "--fold", "all", "-o", "report") == 0
    said = capsys.readouterr().out
    assert said.count("protocol pascal5i") == 4
    assert "4 folds, the mean" in said
    report = json.loads(Path("report/report.json").read_text())
    assert [result["pictures"] for result in report["results"]] == [1, 1, 1, 1]
    assert Path("report/classes-4.csv").is_file()
    assert lseg(*arguments, "-l", "a,b", "--fold", "0") == 2
    assert "--labels cannot be combined with the protocol pascal5i" in capsys.readouterr().err
    assert lseg(*arguments) == 2
    assert "The protocol pascal5i needs --fold: 0 to 3, or all" in capsys.readouterr().err


def test_a_known_set_is_taken_by_its_name(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = MAKERS["ade20k-official"](tmp_path / "ade")
    assert lseg("eval", "-m", model, "--data", f"ade20k-official:{root}", "-d", "cpu", "--json", "-q") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["data"], report["pictures"]) == ("ade20k-official", 3)
    assert len(report["labels"]) == 150


class TestBadInput:
    @pytest.mark.parametrize(
        ("arguments", "code", "sentence"),
        [
            (
                ("--protocol", "hole"),
                2,
                "Invalid value for '--protocol': 'hole' is not one of 'whole', 'slide', 'lseg-paper'",
            ),
            (("-l", "sky,road"), 2, "There are 2 labels for 3 classes"),
            (("--split", "test"), 4, "has no split 'test'; it has train, val"),
            (("--label-map", "nowhere.yaml"), 4, "The label map nowhere.yaml cannot be read"),
            (("--unseen", "boat"), 2, "--unseen names 'boat', which is not a class"),
            (("--protocol", "lseg-paper", "--imgsz", "480"), 2, "has sizes of its own"),
            (("--protocol", "slide", "--imgsz", "64x96"), 2, "cannot be used with windows"),
            (("--protocol", "slide", "--window", "100"), 2, "--window 100 cannot be used"),
            (("--protocol", "coco20i"), 2, "The protocol coco20i needs its own data; give --data coco20i:ROOT"),
            (("--masks", "nowhere"), 4, "nowhere is not an output folder of lseg segment"),
            (("--fold", "all"), 2, "--fold all is for the protocols pascal5i"),
            (("--engine", "onnx"), 5, "--engine onnx runs .onnx files"),
            (("-m", "nothing"), 2, "There is no model 'nothing'"),
        ],
    )
    @pytest.mark.usefixtures("model")
    def test_one_sentence_says_what_is_wrong(
        self, mini: Path, arguments: tuple[str, ...], code: int, sentence: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert lseg("eval", "--data", mini, "-d", "cpu", *arguments) == code
        said = capsys.readouterr()
        assert sentence in said.err
        assert said.out == ""
        assert len(said.err.splitlines()) == 1

    @pytest.mark.usefixtures("model")
    def test_a_vocabulary_of_another_encoder_does_not_fit(
        self, pyramid_config: ModelConfig, mini: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert lseg("labels", "compile", "sky,road,car", "-o", "words.safetensors") == 0
        save_model(build(pyramid_config), Path("other.safetensors"))  # 16 wide
        capsys.readouterr()
        assert lseg("eval", "-m", "other.safetensors", "--data", mini, "-l", "words.safetensors", "-d", "cpu") == 5
        assert "was made by the text encoder" in capsys.readouterr().err

    @pytest.mark.usefixtures("model")
    def test_an_empty_split(self, mini: Path, capsys: pytest.CaptureFixture[str]) -> None:
        for path in (mini.parent / "images" / "val").iterdir():
            path.unlink()
        assert lseg("eval", "--data", mini, "-d", "cpu") == 4
        assert "The split is empty" in capsys.readouterr().err

    @pytest.mark.usefixtures("model")
    def test_a_mask_id_without_a_label_names_the_file(self, mini: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = sorted((mini.parent / "masks" / "val").iterdir())[1]
        Image.fromarray(np.full((HEIGHT_PX, WIDTH_PX), 9, np.uint8)).save(path)
        assert lseg("eval", "--data", mini, "-d", "cpu", "-o", "report") == 4
        assert f"{path} holds id 9, which has no label" in capsys.readouterr().err
        assert not Path("report").exists()

    @pytest.mark.usefixtures("model")
    @pytest.mark.parametrize("kind", ["images", "masks"])
    def test_a_file_that_cannot_be_read_is_named(
        self, mini: Path, kind: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = sorted((mini.parent / kind / "val").iterdir())[0]
        path.write_bytes(path.read_bytes()[:60])
        assert lseg("eval", "--data", mini, "-d", "cpu") == 4
        complaint = "is damaged" if kind == "images" else "cannot be read"  # as the one reader of pictures says it
        assert f"{path} {complaint}" in capsys.readouterr().err

    @pytest.mark.usefixtures("model")
    def test_a_mask_of_another_size_is_named(self, mini: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = sorted((mini.parent / "masks" / "val").iterdir())[0]
        Image.fromarray(np.zeros((HEIGHT_PX, WIDTH_PX + 1), np.uint8)).save(path)
        assert lseg("eval", "--data", mini, "-d", "cpu") == 4
        assert f"is {WIDTH_PX} x {HEIGHT_PX}, its mask {WIDTH_PX + 1} x {HEIGHT_PX}" in capsys.readouterr().err

    @pytest.mark.usefixtures("model")
    def test_a_report_where_a_file_lies(self, mini: Path, capsys: pytest.CaptureFixture[str]) -> None:
        Path("report").write_text("mine")
        assert lseg("eval", "--data", mini, "-d", "cpu", "-q", "-o", "report") == 2
        assert "report is a file" in capsys.readouterr().err
        assert Path("report").read_text() == "mine"
