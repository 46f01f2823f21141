"""`lseg labels` from the command line, and vocabularies where labels are used."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from lseg_cli.config import ModelConfig
from lseg_export.options import GraphOptions
from tests.command_line import lseg

Exporter = Callable[[ModelConfig, GraphOptions], tuple[Path, Path]]
ANY_SIZE = GraphOptions()
HEAVY = ("torch", "timm", "open_clip", "torchvision")


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LSEG_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    Path("street.yaml").write_text('- sky\n- {name: road, prompts: [road, street], color: "#804080"}\n- other\n')


@pytest.fixture
def config(pyramid_config: ModelConfig) -> ModelConfig:
    """With embeddings as wide as the bundled word table's."""
    return pyramid_config.model_copy(update={"text": pyramid_config.text.model_copy(update={"width": 192})})


def compile_street(*arguments: object) -> int:
    return lseg("labels", "compile", "street.yaml", "-o", "street.vocab.safetensors", *arguments)


def test_masks_are_the_same_and_nothing_heavy_is_imported(
    config: ModelConfig, exported: Exporter, capsys: pytest.CaptureFixture[str]
) -> None:
    """An exported file and a compiled vocabulary run in a process of their own, which says what it imported."""
    cv2.imwrite("photo.png", cv2.resize(load_sample_image("china.jpg"), (160, 96)))
    model = exported(config, ANY_SIZE)[1]
    assert compile_street("-m", model, "--json") == 0
    assert json.loads(capsys.readouterr().out)["labels"] == 3
    masks = {}
    for name, labels in {
        "typed": "@street.yaml",
        "compiled": "street.vocab.safetensors",
        "at": "@street.vocab.safetensors",
    }.items():
        script = (
            "import sys\nfrom lseg_cli.main import run\ntry:\n    run(sys.argv[1:])\nfinally:\n"
            f"    print(*[name for name in {HEAVY} if name in sys.modules], file=sys.stderr)\n"
            "    print('lseg_cli.model.text.word_table' in sys.modules, file=sys.stderr)"
        )
        arguments = ["segment", "photo.png", "-l", labels, "-m", str(model), "-d", "cpu", "-o", name, "-q"]
        done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stderr.splitlines() == ["", str(name == "typed")]
        masks[name] = np.asarray(Image.open(f"{name}/masks/photo.png"))
        said = json.loads(Path(name, "labels.json").read_text())
        assert said["encoder"]["sha256"]
        assert said["labels"][1] == {
            "id": 1, "coco_id": 2, "name": "road", "prompts": ["road", "street"], "color": [128, 64, 128]
        }  # fmt: skip
    assert np.array_equal(masks["typed"], masks["compiled"])
    assert np.array_equal(masks["typed"], masks["at"])


def test_a_vocabulary_of_another_encoder_is_exit_5(
    pyramid_config: ModelConfig, exported: Exporter, capsys: pytest.CaptureFixture[str]
) -> None:
    cv2.imwrite("photo.png", np.zeros((64, 96, 3), np.uint8))
    assert compile_street("-q") == 0
    narrow = exported(pyramid_config, ANY_SIZE)[1]
    assert lseg("segment", "photo.png", "-l", "street.vocab.safetensors", "-m", narrow, "-d", "cpu") == 5
    error = capsys.readouterr().err
    assert "made by the text encoder words (width 192" in error
    assert "reads labels with words (width 16" in error
    assert error.count("\n") == 1
    assert not Path("out").exists()


def test_a_damaged_vocabulary_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert compile_street("-q") == 0
    path = Path("street.vocab.safetensors")
    path.write_bytes(path.read_bytes()[:-5])
    for arguments in (["labels", "list", path], ["labels", "check", path], ["segment", "x.png", "-l", path]):
        assert lseg(*arguments) == 5
        error = capsys.readouterr().err
        assert error.startswith(f"lseg: {path} is damaged: it is not a whole safetensors file (")
        assert error.endswith("; compile the labels again.\n")
        assert error.count("\n") == 1


def test_list_as_a_table_and_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert compile_street("-q") == 0
    tables = []
    for source in ("street.yaml", "@street.yaml", "street.vocab.safetensors"):
        assert lseg("labels", "list", source) == 0
        tables.append(capsys.readouterr().out)
    assert tables[0].splitlines()[2] == "1   road   #804080  road | street"
    assert len(set(tables)) == 1
    assert lseg("labels", "list", "sky,road=road|street", "--json") == 0
    assert [row["prompts"] for row in json.loads(capsys.readouterr().out)] == [["sky"], ["road", "street"]]


def test_check_tells_on_stdout_and_exits_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert lseg("labels", "check", "street.yaml") == 0
    assert capsys.readouterr().out == "3 labels: nothing odd.\n"
    assert lseg("labels", "check", "sky,heaven=sky", "--json") == 0
    (notice,) = json.loads(capsys.readouterr().out)["notices"]
    assert "nearly the same" in notice


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("street.yaml", "-m", "nowhere"), 2, "There is no model 'nowhere'"),
        (("street.yaml", "-m", __file__), 5, "neither a safetensors nor an ONNX file"),
        (("street.yaml", "--template", "no place"), 2, "has no place for the label"),
        (("street.yaml", "-o", "street.vocab"), 2, "must end with .safetensors"),
        (("gone.yaml",), 2, "cannot be read"),
        (("street.yaml", "--text-encoder", "ViT-B-33"), 2, "open_clip knows no text encoder ViT-B-33"),
    ],
)
def test_what_cannot_be_compiled_is_told(
    arguments: tuple[str, ...], code: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lseg("labels", "compile", "-o", "v.safetensors", *arguments) == code
    assert sentence in capsys.readouterr().err
    assert not Path("v.safetensors").exists()


def test_the_encoder_can_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert compile_street("-m", "lseg-tiny", "-q") == 0
    first = Path("street.vocab.safetensors").read_bytes()
    assert compile_street("--text-encoder", "words", "-q") == 0
    assert Path("street.vocab.safetensors").read_bytes() == first
    assert lseg("info", "street.vocab.safetensors", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["kind"] == "vocabulary"
    assert (facts["labels"], facts["embedding_width"]) == (3, 192)
    assert lseg("info", "street.vocab.safetensors") == 0


def test_suggest_lists_the_words_that_win_most(capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(load_sample_image("china.jpg")).resize((160, 96)).save("photo.png")
    Path("broken.png").write_bytes(b"no picture")
    words = ("labels", "suggest", "photo.png", "broken.png", "-l", "sky,building,tree,other", "-n", 2, "--json")
    assert lseg(*words) == 3
    event = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert len(event["words"]) == 2
    assert event["words"][0]["share"] >= event["words"][1]["share"] > 0
    assert event["words"][0]["pictures"] == 1
    assert len(event["failures"]) == 1
    assert "broken.png" in event["failures"][0]
