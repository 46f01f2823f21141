"""Training, evaluation and export as functions: the same as the commands, which are made of them."""

import json
from pathlib import Path

import pytest

import lseg_cli as lseg
from lseg_cli.config import ModelConfig, TextConfig
from tests.api.conftest import saved
from tests.command_line import lseg as run


@pytest.mark.filterwarnings("ignore::lseg_cli.errors.LsegWarning")  # where training begins
def test_a_model_is_trained_measured_and_exported(
    mini: Path, pyramid_config: ModelConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps: list[object] = []
    words = TextConfig(kind="words", name="words", width=192)
    start = saved(pyramid_config.model_copy(update={"text": words}), tmp_path / "tiny.safetensors")
    options = lseg.TrainOptions(
        data=(str(mini),), val=str(mini), model=str(start), epochs=1, batch=2, imgsz=64, workers=0, out=tmp_path / "run"
    )
    trained = lseg.train(options, steps.append)
    assert trained.weights == tmp_path / "run" / "weights" / "best.safetensors"
    assert trained.best_miou is not None
    assert 0 <= trained.best_miou <= 1
    assert len(steps) >= 2
    engine = lseg.EngineChoice(str(trained.weights), device="cpu")
    report = lseg.evaluate(lseg.EvalOptions(data=str(mini), engines=(engine,), imgsz=64))
    capsys.readouterr()
    assert run("eval", "--data", mini, "-m", trained.weights, "-d", "cpu", "--imgsz", "64", "--json") == 0
    (said,), (found,) = json.loads(capsys.readouterr().out)["results"], report["results"]
    assert said["mean_iou"] == pytest.approx(found["mean_iou"])
    assert said["class_iou"] == pytest.approx(found["class_iou"])
    exported = lseg.export(lseg.ExportOptions(model=trained.weights, out=tmp_path / "own.onnx", size=(64, 64)))
    assert lseg.load(exported, engine="onnx").device == "cpu"


def test_mistakes_are_raised_before_anything_is_done(mini: Path, tmp_path: Path) -> None:
    with pytest.raises(lseg.LsegError, match="data"):
        lseg.train(lseg.TrainOptions(out=tmp_path / "run"))
    with pytest.raises(lseg.DataError, match="missing"):
        lseg.train(lseg.TrainOptions(resume=tmp_path / "nothing"))
    with pytest.raises(lseg.LsegError, match="--resume RUN"):
        lseg.train(lseg.TrainOptions(resume=tmp_path / "nothing", model="lseg-tiny"))
    with pytest.raises(lseg.LsegError, match="belong together"):
        lseg.export(lseg.ExportOptions(precision="int8"))
    with pytest.raises(lseg.LsegError, match=r"\.onnx"):
        lseg.export(lseg.ExportOptions(out=tmp_path / "model.txt"))
    with pytest.raises(lseg.LsegError, match=r"for \.onnx files"):
        lseg.export(lseg.ExportOptions(engine="rtx", triton=tmp_path))
    assert not (tmp_path / "run").exists()
