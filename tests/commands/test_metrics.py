"""Prometheus text files of runs, read by Prometheus' own client."""

import math
import time
from pathlib import Path

import pytest
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from lseg_cli.errors import LsegError
from lseg_cli.metrics import Metric, MetricsFile, as_text
from tests.command_line import lseg

Series = dict[tuple[str, str], float]


def read(path: Path) -> Series:
    """Values by the name of the series and the stage, if it has one."""
    families = text_string_to_metric_families(path.read_text(encoding="utf-8"))
    return {(each.name, each.labels.get("stage", "")): each.value for family in families for each in family.samples}


def test_any_text_and_any_number_survives() -> None:
    odd = 'a "quoted"\nC:\\path, = {}'
    values = [1, 0.1, 1e300, math.inf, -math.inf, math.nan]
    metrics = [Metric("lseg_x", odd, value, labels={"i": str(index)}) for index, value in enumerate(values)]
    (family,) = text_string_to_metric_families(as_text(metrics, {"out": odd}))
    assert family.documentation == odd
    assert [sample.labels["out"] for sample in family.samples] == [odd] * len(values)
    assert [repr(sample.value) for sample in family.samples] == [repr(float(value)) for value in values]


class TestARun:
    @pytest.fixture(autouse=True)
    def pictures(self, model: Path) -> None:
        Image.new("RGB", (64, 48)).save("a.png")
        Image.new("RGB", (48, 64)).save("b.png")
        Path("c.png").write_text("no picture")

    def test_counts_stages_and_the_exit_code(self) -> None:
        before = time.time()
        run = ("segment", "a.png", "b.png", "c.png", "-l", "sky,road", "-q", "--metrics")
        assert lseg(*run, "run.prom") == 3
        found = read(Path("run.prom"))
        assert found["lseg_run_pictures", ""] == 3
        assert found["lseg_run_pictures_done_total", ""] == 2
        assert found["lseg_run_pictures_failed_total", ""] == 1
        assert found["lseg_run_exit_code", ""] == 3
        assert before <= found["lseg_run_start_time_seconds", ""] <= found["lseg_run_end_time_seconds", ""]
        stages = {stage for name, stage in found if name == "lseg_run_stage_seconds_total"}
        assert stages == {"read", "preprocess", "infer", "postprocess", "write"}
        assert 'out="' + str(Path("out").resolve()) in Path("run.prom").read_text()
        assert lseg(*run, "run.prom") == 3  # its own file is replaced
        assert read(Path("run.prom"))["lseg_run_pictures_done_before", ""] == 2

    def test_what_never_began_has_its_exit_code(self) -> None:
        assert lseg("segment", "missing.png", "-l", "sky", "-q", "--metrics", "run.prom") == 2
        found = read(Path("run.prom"))
        assert found["lseg_run_exit_code", ""] == 2
        assert ("lseg_run_pictures", "") not in found

    def test_a_file_of_somebody_else_stays(self, capsys: pytest.CaptureFixture[str]) -> None:
        Path("notes.txt").write_text("mine")
        assert lseg("segment", "a.png", "-l", "sky,road", "-q", "--metrics", "notes.txt") == 2
        assert "was not written by lseg" in capsys.readouterr().err
        assert Path("notes.txt").read_text() == "mine"
        assert not Path("out").exists()
        assert lseg("segment", "a.png", "-l", "sky,road", "-q", "--metrics", ".") == 2
        assert "it is a folder" in capsys.readouterr().err


def test_it_is_written_again_on_a_regular_interval(tmp_path: Path) -> None:
    value = 0.0
    file = MetricsFile(tmp_path / "run.prom", {}, pytest.fail, interval_s=0.01)
    file.begin()
    file.watch(lambda: [Metric("lseg_x", "A number.", value)])
    value = 7.0
    deadline = time.monotonic() + 10
    while "lseg_x{} 7.0" not in (text := (tmp_path / "run.prom").read_text()):
        assert time.monotonic() < deadline, text
    assert "lseg_run_exit_code" not in text
    file.end(0)
    assert read(tmp_path / "run.prom")["lseg_run_exit_code", ""] == 0
    assert [each.name for each in tmp_path.iterdir()] == ["run.prom"]


def test_a_file_that_cannot_be_written_any_more_is_a_notice(tmp_path: Path) -> None:
    notices: list[str] = []
    path = tmp_path / "run.prom"
    file = MetricsFile(path, {}, notices.append)
    file.begin()
    path.unlink()
    path.mkdir()
    (path / "full").touch()
    file.end(0)
    assert len(notices) == 1
    assert notices[0].startswith("The metrics are not current: ")


def test_where_nothing_can_be_written_nothing_begins(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LsegError, match="cannot be written"):
        MetricsFile(tmp_path / "file" / "run.prom", {}, pytest.fail).begin()
