"""`lseg sweep` from its file to the table: two variants, two seeds, runs of two steps."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from lseg_cli.config import ModelConfig
from lseg_cli.training.recipe import compose
from tests.command_line import lseg
from tests.training.test_loop import rows_of, state_of

FACTS: dict[str, Any] = {
    "epochs": 2,
    "steps_per_epoch": 1,
    "batch_size": 2,
    "device": "cpu",
    "workers": 0,
    "augment": {"base_px": 96, "scale": [1.0, 1.0], "crop_px": 64},
    "optimizer": {"learning_rate": 0.001},
}


def run_sweep(*arguments: object) -> int:
    return lseg("sweep", *arguments)


@pytest.fixture
def recipe(mini: Path, pyramid_config: ModelConfig, word_width: int) -> dict[str, Any]:
    model = pyramid_config.model_copy(
        update={"text": pyramid_config.text.model_copy(update={"width": word_width})}
    ).model_dump(mode="json")
    data = {"data": [{"path": str(mini)}], "validation": {"path": str(mini), "split": "val"}}
    return {**FACTS, "model": model, **data}


@pytest.fixture
def sweep(recipe: dict[str, Any], tmp_path: Path) -> Path:
    variants = {"plain": {"model.regularizer": {"kind": "none"}}, "fast": {"optimizer.learning_rate": 0.01}}
    path = tmp_path / "sweep.yaml"
    path.write_text(yaml.safe_dump({"recipe": recipe, "variants": variants, "seeds": [0, 1]}, sort_keys=False))
    return path


def test_a_sweep_trains_what_is_missing_and_prints_the_table(
    sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run_sweep(sweep, "--out", out, "--only", "plain") == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["variant", "plain"]
    assert not (out / "fast").exists()
    assert run_sweep(sweep, "--out", out, "--only", "fast", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["variant"], row["seeds"]) for row in rows] == [("plain", 2), ("fast", 2)]
    last = [float(rows_of(out / "fast" / f"seed-{seed}")[-1]["miou"]) for seed in (0, 1)]
    assert rows[1]["miou"] == pytest.approx(sum(last) / 2, abs=1e-6)
    assert {"table.csv", "table.md", "table.svg", "plain", "fast"} == {path.name for path in out.iterdir()}
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*/seed-*/**/*")}
    assert run_sweep(sweep, "--out", out) == 0
    said = capsys.readouterr()
    assert "starts" not in said.err
    assert "±" in said.out
    assert before == {path: path.stat().st_mtime_ns for path in out.rglob("*/seed-*/**/*")}


def test_a_run_of_a_sweep_is_that_of_lseg_train_and_goes_on_where_it_stopped(
    sweep: Path, recipe: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = compose([recipe, {"optimizer.learning_rate": 0.01, "seed": 1}])
    from lseg_cli.api.tasks import open_trainer  # noqa: PLC0415

    list(open_trainer(config, tmp_path / "whole", resume=False).run())
    out = tmp_path / "out" / "fast" / "seed-1"
    list(open_trainer(config, out, resume=False).run(lambda: True))  # one step
    assert run_sweep(sweep, "--out", tmp_path / "out") == 0
    assert "fast, seed 1 (4 of 4): goes on." in capsys.readouterr().err
    one, other = state_of(tmp_path / "whole"), state_of(out)
    assert all(tensor.equal(other[name]) for name, tensor in one.items())


def test_what_would_be_done_is_told_and_nothing_written(
    sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_sweep(sweep, "--out", tmp_path / "out", "--dry-run", "--json") == 0
    plan = json.loads(capsys.readouterr().out)
    assert [(row["variant"], row["seed"], row["status"]) for row in plan] == [
        (variant, seed, "new") for seed in (0, 1) for variant in ("plain", "fast")
    ]
    assert not (tmp_path / "out").exists()


def test_a_failing_run_is_named_and_the_others_go_on(
    sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = yaml.safe_load(sweep.read_text())
    facts["variants"] = {"lost": {"encoder_weights": "none.safetensors"}, "plain": {}}
    facts["seeds"] = [0]
    sweep.write_text(yaml.safe_dump(facts, sort_keys=False))
    assert run_sweep(sweep, "--out", tmp_path / "out") == 3
    said = capsys.readouterr()
    assert "lost, seed 0 (1 of 2) failed: There is no file none.safetensors." in said.err
    assert [line.split()[0] for line in said.out.splitlines()] == ["variant", "plain"]
    facts["recipe"]["epochs"] = 3
    sweep.write_text(yaml.safe_dump(facts, sort_keys=False))
    assert run_sweep(sweep, "--out", tmp_path / "out") == 3
    assert "plain, seed 0 (2 of 2) failed" in capsys.readouterr().err
