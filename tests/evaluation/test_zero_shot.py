"""HSNet's way of counting, on miniatures of the real data sets."""

from collections.abc import Collection
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torchvision.transforms import v2

from lseg_cli.config import DataRef, ModelConfig, TextConfig
from lseg_cli.contract import Engine, GraphSpec, Output
from lseg_cli.data.episodes import open_episodes
from lseg_cli.errors import LsegError, MismatchError
from lseg_cli.evaluation.options import EvalOptions, Protocol
from lseg_cli.evaluation.processes import Processes
from lseg_cli.evaluation.zero_shot import EpisodeRun, squashed, squashed_mask
from lseg_cli.model.text.word_table import WordTable
from tests.data.miniatures import MAKERS

Floats = NDArray[np.float32]


class Bright:
    """Takes pixels for the class whose green is bright."""

    device, precision = "cpu", "fp32"

    def __init__(self, config: ModelConfig, side_px: int | None = None) -> None:
        text = TextConfig(kind="words", name="words", width=WordTable.open().width)
        model = config.model_copy(update={"text": text})
        self.spec = GraphSpec(model=model, model_sha256="", height_px=side_px, width_px=side_px)
        self.texts: list[Floats] = []

    def run(
        self, image: NDArray[np.uint8], text: Floats, outputs: Collection[Output]
    ) -> dict[str, NDArray[np.generic]]:
        self.spec.check(image, text)
        assert image.shape == (1, 480, 480, 3)
        assert tuple(outputs) == ("mask",)
        self.texts.append(text)
        return {"mask": (image[..., 1] > 128).astype(np.int32)}


def make_run(
    engine: Engine, name: str, root: Path, folds: tuple[int, ...] = (), process: int = 0, count: int = 1
) -> EpisodeRun:
    job = EvalOptions(f"{name}:{root}", protocol=cast(Protocol, name), folds=folds)
    return EpisodeRun(job, DataRef(path=name, root=str(root)), lambda *_: engine, Processes(process, count, process))


def hsnet(engine: Bright, name: str, root: Path, fold: int | None) -> tuple[float, float]:
    """mIoU and FB-IoU by histograms of episodes, summed by class; what is ignored has a third value."""
    episodes = open_episodes(name, root, fold)
    inter, union = torch.zeros(2, len(episodes.classes)), torch.zeros(2, len(episodes.classes))
    for index in range(len(episodes)):
        episode = episodes.read(index)
        picture = v2.functional.resize(v2.functional.to_pil_image(episode.image), [480, 480])
        guess = torch.from_numpy((np.asarray(picture)[..., 1] > 128).astype(np.float32))
        mask = torch.nn.functional.interpolate(
            torch.from_numpy(episode.mask.copy())[None, None].float(), (480, 480), mode="nearest"
        )[0, 0]
        guess[mask == 255] = 255
        equal = torch.histc(guess[guess == mask], 2, 0, 1)
        inter[:, episode.class_id] += equal
        union[:, episode.class_id] += torch.histc(guess, 2, 0, 1) + torch.histc(mask, 2, 0, 1) - equal
    seen = union.sum(0) > 0
    return float((inter / union)[1, seen].mean()), float((inter.sum(1) / union.sum(1)).mean())


@pytest.mark.parametrize(("name", "fold"), [("pascal5i", 1), ("fss1000", None)])
def test_figures_are_those_of_hsnets_evaluator(
    pyramid_config: ModelConfig, tmp_path: Path, name: str, fold: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lseg_cli.data.episodes.COUNT", 7)
    root = MAKERS[name](tmp_path)
    engine = Bright(pyramid_config)
    run = make_run(engine, name, root, () if fold is None else (fold,))
    assert list(run.run()) == list(range(len(run)))
    (result,) = run.report()["results"]
    mean_iou, fb_iou = hsnet(engine, name, root, fold)
    assert 0 < mean_iou < 1
    assert result["mean_iou"] == pytest.approx(mean_iou, rel=1e-5)
    assert result["fb_iou"] == pytest.approx(fb_iou, rel=1e-5)


def test_each_episode_asks_for_others_and_its_class(
    pyramid_config: ModelConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lseg_cli.data.episodes.COUNT", 4)
    engine = Bright(pyramid_config)
    run = make_run(engine, "pascal5i", MAKERS["pascal5i"](tmp_path), (2,))
    for _ in run.run():
        pass
    episodes = open_episodes("pascal5i", tmp_path, 2)
    words = WordTable.open()
    for number, text in enumerate(engine.texts):
        word = episodes.prompts[episodes.read(number).class_id]
        np.testing.assert_allclose(text, words.embed(["others", word]), atol=1e-6)


def test_all_folds_and_their_mean(pyramid_config: ModelConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lseg_cli.data.episodes.COUNT", 3)
    run = make_run(Bright(pyramid_config), "pascal5i", MAKERS["pascal5i"](tmp_path), (0, 1, 2, 3))
    assert len(list(run.run())) == len(run) == 12
    report = run.report()
    assert [result["fold"] for result in report["results"]] == [0, 1, 2, 3]
    for key in ("mean_iou", "fb_iou"):
        assert report["mean"][key] == pytest.approx(np.mean([result[key] for result in report["results"]]))
    first = report["results"][0]["class_iou"]
    assert list(first)[:2] == ["aeroplane", "bicycle"]
    assert first["bottle"] is None  # no episode of the miniature asks for it


def test_processes_share_the_episodes(
    pyramid_config: ModelConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lseg_cli.data.episodes.COUNT", 5)
    root = MAKERS["pascal5i"](tmp_path)
    given: list[NDArray[np.int64]] = []

    def note(_self: Processes, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        given.append(numbers)
        return numbers

    monkeypatch.setattr(Processes, "summed", note)
    seen = []
    for process, count in ((0, 1), (0, 2), (1, 2)):
        run = make_run(Bright(pyramid_config), "pascal5i", root, (0, 1, 2, 3), process, count)
        seen.append(list(run.run()))
    whole, first, second = given
    assert (whole == first + second).all()
    assert (seen[1][:3], seen[2][:2]) == ([0, 2, 4], [1, 3])


def test_pictures_and_masks_are_squashed_as_the_original_does() -> None:
    random = np.random.default_rng(0)
    picture = random.integers(0, 256, (700, 301, 3), np.uint8)
    expected = v2.functional.resize(v2.functional.to_pil_image(picture), [480, 480])
    assert (squashed(picture) == np.asarray(expected)).all()
    mask = random.choice(np.array([0, 1, 255], np.uint8), (375, 500))
    nearest = torch.nn.functional.interpolate(torch.from_numpy(mask)[None, None].float(), (480, 480), mode="nearest")
    assert (squashed_mask(mask) == nearest[0, 0].numpy()).all()


def test_a_protocol_of_folds_needs_one(pyramid_config: ModelConfig, tmp_path: Path) -> None:
    with pytest.raises(LsegError, match="The protocol pascal5i needs --fold: 0 to 3, or all"):
        make_run(Bright(pyramid_config), "pascal5i", tmp_path)


def test_an_engine_of_another_size_says_so(
    pyramid_config: ModelConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lseg_cli.data.episodes.COUNT", 1)
    run = make_run(Bright(pyramid_config, 64), "pascal5i", MAKERS["pascal5i"](tmp_path), (0,))
    with pytest.raises(MismatchError, match="480 x 480 pixels; this engine takes 64 x 64"):
        list(run.run())
