"""The trainer on data sets as they lie on disk."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lseg_cli.config import AugmentConfig, DataRef, ModelConfig, TrainConfig
from lseg_cli.model.lseg import LSeg
from lseg_cli.training.loop import Trainer
from lseg_cli.training.reports import EpochReport
from lseg_engines.torch_engine import TorchEngine
from tests.data.miniatures import FOLDED, MAKERS


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    rows = np.array([np.random.default_rng(list(text.encode())).normal(size=16) for text in texts], np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def make_engine(model: LSeg) -> TorchEngine:
    return TorchEngine(model, "", device="cpu")


def test_a_mix_of_all_known_sets_trains_and_validates(pyramid_config: ModelConfig, tmp_path: Path) -> None:
    """One step of each; then the classes of a fold that training did not see."""
    roots = {name: str(make(tmp_path / name)) for name, make in MAKERS.items()}
    config = TrainConfig(
        model=pyramid_config,
        data=tuple(DataRef(path=name, root=root, fold=1 if name in FOLDED else None) for name, root in roots.items()),
        validation=DataRef(path="pascal5i", root=roots["pascal5i"], fold=1, split="val"),
        steps_per_epoch=len(roots),
        batch_size=1,
        device="cpu",
        workers=0,
        augment=AugmentConfig(base_px=64, scale=(1, 1), crop_px=64),
    )
    reports = list(Trainer(config, tmp_path / "run", embed, make_engine).run())
    last = reports[-1]
    assert isinstance(last, EpochReport)
    assert math.isfinite(last.loss)
    assert last.scores is not None
    assert list(last.scores.class_iou) == ["bus", "car", "cat", "chair", "cow"]
