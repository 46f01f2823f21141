from pathlib import Path
from typing import Any

import pytest
import yaml

from lseg_cli.config import RegularizerConfig
from lseg_cli.errors import DataError, LsegError, MismatchError
from lseg_cli.training.sweep import pick, read_sweep

RECIPES = Path(__file__).parents[2] / "recipes"
BASE = {"data": [{"path": "mini/dataset.yaml"}], "validation": {"path": "mini/dataset.yaml", "split": "val"}}


def write(path: Path, **facts: Any) -> Path:
    path.write_text(yaml.safe_dump({"recipe": BASE, "variants": {"plain": {}}, **facts}, sort_keys=False))
    return path


def test_runs_are_variants_times_seeds_seed_by_seed(tmp_path: Path) -> None:
    variants = {"plain": {}, "long": {"epochs": 5, "optimizer.name": "adamw"}}
    runs = read_sweep(write(tmp_path / "s.yaml", variants=variants, seeds=[0, 7]), tmp_path / "out")
    assert [(run.variant, run.seed) for run in runs] == [("plain", 0), ("long", 0), ("plain", 7), ("long", 7)]
    assert [(run.config.seed, run.config.epochs, run.config.optimizer.name) for run in runs] == [
        (0, 1, "sgd"),
        (0, 5, "adamw"),
        (7, 1, "sgd"),
        (7, 5, "adamw"),
    ]
    assert runs[3].out == tmp_path / "out" / "long" / "seed-7"
    assert {run.status() for run in runs} == {"new"}


def test_variants_may_be_picked(tmp_path: Path) -> None:
    path = write(tmp_path / "s.yaml", variants={"a": {}, "b": {}, "c": {}}, seeds=[0, 1])
    runs = read_sweep(path, tmp_path)
    assert pick(runs, []) == runs
    assert [(run.variant, run.seed) for run in pick(runs, ["c", "a"])] == [("a", 0), ("c", 0), ("a", 1), ("c", 1)]
    with pytest.raises(LsegError, match="no variant 'd'; it has a, b, c"):
        pick(runs, ["d"])


def test_settings_go_on_top_of_every_run_but_for_its_seed(tmp_path: Path) -> None:
    path = write(tmp_path / "s.yaml", variants={"a": {}, "b": {"epochs": 2}}, seeds=[4])
    runs = read_sweep(path, tmp_path, settings={"epochs": 3, "optimizer.momentum": 0.1, "seed": 9})
    assert [(run.config.epochs, run.config.optimizer.momentum, run.config.seed) for run in runs] == [(3, 0.1, 4)] * 2


def test_a_recipe_may_be_a_file_beside_the_sweep(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(yaml.safe_dump({**BASE, "epochs": 9}, sort_keys=False))
    (run,) = read_sweep(write(tmp_path / "s.yaml", recipe="base.yaml"), tmp_path)
    assert (run.config.epochs, run.config.seed) == (9, 0)


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"variants": {}}, "variants"),
        ({"variants": {"../up": {}}}, r"variants\.\.\./up"),
        ({"variants": {"a": {"epoch": 1}}}, "The variant a of .* cannot be used.*'epoch'"),
        ({"variants": {"a": {"model": "lseg-huge"}}}, "The variant a of .* no preset"),
        ({"variants": {"a": {}, "b": {"precision": "bf16"}}}, "precision and device must be the same"),
        ({"seeds": []}, "seeds"),
        ({"seeds": [1, 1]}, "names a seed twice: 1, 1"),
        ({"seed": [1]}, "seed"),
        ({"recipe": {"data": BASE["data"]}}, "validation set"),
        ({"recipe": {}}, "nothing to train on"),
    ],
)
def test_what_is_no_sweep_is_told(tmp_path: Path, facts: dict[str, Any], sentence: str) -> None:
    with pytest.raises(LsegError, match=sentence):
        read_sweep(write(tmp_path / "s.yaml", **facts), tmp_path)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.yaml cannot be read"):
        read_sweep(tmp_path / "none.yaml", tmp_path)
    with pytest.raises(DataError, match=r"base\.yaml cannot be read"):
        read_sweep(write(tmp_path / "s.yaml", recipe="base.yaml"), tmp_path)


def test_a_folder_with_another_recipe_is_no_run_of_the_sweep(tmp_path: Path) -> None:
    from lseg_cli.model.checkpoint import write_tensors  # noqa: PLC0415

    (run,) = read_sweep(write(tmp_path / "s.yaml"), tmp_path)
    run.out.mkdir(parents=True)
    write_tensors({}, {"lseg.training": '{"step": 3, "best_miou": 0.5}'}, run.out / "state.safetensors")
    (run.out / "config.json").write_text(run.config.model_copy(update={"epochs": 8}).model_dump_json())
    with pytest.raises(MismatchError, match="another recipe: it differs in epochs"):
        run.status()


def test_the_ablation_of_the_paper_varies_the_regulariser_alone() -> None:
    runs = read_sweep(RECIPES / "ablation.yaml", Path("out"))
    assert len(runs) == 21
    expected = [RegularizerConfig()] + [
        RegularizerConfig.model_validate({"kind": kind, "depth": depth})
        for kind in ("depthwise", "bottleneck")
        for depth in (1, 2, 4)
    ]
    assert [run.config.model_config_of().regularizer for run in runs] == expected * 3
    first = runs[0].config.model_config_of().model_dump(exclude={"regularizer"})
    for run in runs:
        assert run.config.model_config_of().model_dump(exclude={"regularizer"}) == first
        assert run.config.model_copy(update={"model": "", "seed": 0}) == runs[0].config.model_copy(update={"model": ""})
