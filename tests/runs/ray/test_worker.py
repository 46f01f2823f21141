"""A worker of a cluster, called as Ray calls it."""

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lseg_cli.config import ModelConfig
from lseg_cli.contract import Engine
from lseg_cli.data.finding import Source
from lseg_cli.data.labels import LabelSet
from lseg_cli.errors import MissingError
from lseg_cli.inference.embedding import read_embedding
from lseg_cli.model.lseg import build
from lseg_cli.results.records import Done, Embedded, Failed, Item, Stamp
from lseg_cli.runs.embed import EmbedWork
from lseg_cli.runs.options import EmbedOptions, RelabelOptions, SegmentOptions
from lseg_cli.runs.ray.worker import Answer, Plan, RayWorker, dump_items
from lseg_cli.runs.relabel import RelabelWork
from lseg_cli.runs.segment import SegmentWork
from lseg_engines.torch_engine import TorchEngine


def open_engine(config: ModelConfig, *_options: object) -> Engine:
    return TorchEngine(build(config), "0")


def refuse(*_options: object) -> Engine:
    raise MissingError("No such device.")


@pytest.fixture
def work(pyramid_config: ModelConfig) -> SegmentWork:
    """Of two labels."""
    options = SegmentOptions(inputs=("in",), labels="sky,road", workers=1)
    vectors = np.eye(2, pyramid_config.text.width, dtype=np.float32)
    return SegmentWork(options, LabelSet.of(("sky", "road")), vectors, partial(open_engine, pyramid_config))


@pytest.fixture
def plan(work: SegmentWork, tmp_path: Path) -> Plan:
    """Of three pictures, a, b and c."""
    for name in ("out", "scratch", "in"):
        (tmp_path / name).mkdir()
    for name in "abc":
        Image.new("RGB", (48, 32)).save(tmp_path / "in" / f"{name}.png")
    return Plan(work, 1, tmp_path / "scratch", str(tmp_path))


@pytest.fixture(autouse=True)
def _place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A worker changes its folder."""
    monkeypatch.chdir(tmp_path)


def handful(*names: str) -> dict[str, Any]:
    return {
        "number": 0,
        "items": dump_items([Item(Source(Path("in", name), Path("in"), name), name) for name in names]),
    }


class TestAnswer:
    def test_it_comes_back_as_it_was(self) -> None:
        name = os.fsdecode(b"caf\xe9.png")
        done = Done(
            name, "masks/a.png", 2, 3, {"sky": 1.0}, 0.0, 0.5, {"read": 1.0}, Stamp(f"/{name}", 1, 2), {"conf": "c"}
        )
        answer = Answer((done, Failed(name, "decode", "broken")), 1, ("notice",), "cpu", "fp32")
        assert answer.dump().isascii()
        assert Answer.load(answer.dump()) == answer


class TestWorker:
    def test_it_writes_masks_and_answers_in_order(self, plan: Plan) -> None:
        answer = Answer.load(RayWorker(plan)(handful("b.png", "missing.png", "a.png"))["answer"])
        assert [Path(record.source).name for record in answer.records] == ["b.png", "missing.png", "a.png"]
        assert [type(record) for record in answer.records] == [Done, Failed, Done]
        assert sorted(path.name for path in Path("out/masks").iterdir()) == ["a.png.png", "b.png.png"]
        assert (answer.device, answer.left) == ("cpu", 0)

    def test_it_writes_embeddings(self, plan: Plan, work: SegmentWork) -> None:
        work = replace(work, options=replace(work.options, save=("embeddings",)))
        answer = Answer.load(RayWorker(replace(plan, work=work))(handful("a.png", "b.png"))["answer"])
        assert [type(record) for record in answer.records] == [Done, Done]
        assert read_embedding(Path("out/embeddings/b.png.safetensors")).info.source == "in/b.png"

    def test_it_embeds_and_labels_embeddings(self, plan: Plan, work: SegmentWork) -> None:
        embed = replace(plan, work=EmbedWork(EmbedOptions(inputs=("in",), out="out"), work.open_engine))
        answer = Answer.load(RayWorker(embed)(handful("a.png", "missing.png"))["answer"])
        assert [type(record) for record in answer.records] == [Embedded, Failed]
        path = Path("out/embeddings/a.png.safetensors")
        labels = RelabelWork(RelabelOptions(inputs=("out",), labels="sky,road"), work.labels, work.vectors, "0")
        row = {"number": 1, "items": dump_items([Item(Source(path, path.parent, path.name), "a")])}
        answer = Answer.load(RayWorker(replace(plan, work=labels))(row)["answer"])
        assert [type(record) for record in answer.records] == [Done]
        assert Path("out/masks/a.png").exists()

    def test_only_the_files_that_an_item_names_are_written(self, plan: Plan, work: SegmentWork) -> None:
        work = replace(work, options=replace(work.options, formats=("png", "npy")))
        item = Item(Source(Path("in/a.png"), Path("in"), "a.png"), "a", frozenset(["npy"]))
        RayWorker(replace(plan, work=work))({"number": 0, "items": dump_items([item])})
        assert Path("out/npy/a.npy").exists()
        assert not Path("out/masks").exists()

    def test_it_begins_nothing_when_the_run_is_to_stop(self, plan: Plan) -> None:
        worker = RayWorker(plan)
        plan.stop.touch()
        answer = Answer.load(worker(handful("a.png", "b.png"))["answer"])
        assert (answer.records, answer.left) == ((), 2)

    def test_what_does_not_work_is_a_sentence_with_its_exit_code(self, plan: Plan, work: SegmentWork) -> None:
        worker = RayWorker(replace(plan, work=replace(work, open_engine=refuse)))
        answer = Answer.load(worker(handful("a.png"))["answer"])
        assert (answer.error, answer.exit_code) == ("No such device.", 6)

    def test_a_folder_that_is_not_shared_is_told(self, plan: Plan) -> None:
        Path("out").rmdir()
        answer = Answer.load(RayWorker(plan)(handful("a.png"))["answer"])
        assert "shared folder" in answer.error

    def test_a_picture_that_kills_workers_costs_itself_alone(self, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
        worker, row = RayWorker(plan), handful("a.png", "b.png", "c.png")
        whole = worker._pipeline.run

        def die(items: list[Item], *options: Any) -> Any:
            if "b.png" in [item.name for item in items]:
                raise SystemExit
            return whole(items, *options)

        monkeypatch.setattr(worker._pipeline, "run", die)
        for _ in range(3):
            with pytest.raises(SystemExit):
                worker(row)
        answer = Answer.load(worker(row)["answer"])
        assert [type(record) for record in answer.records] == [Done, Failed, Done]
        assert "died of in/b.png" in str(answer.records[1])
