"""What `lseg segment`, `lseg embed` and `lseg relabel` all promise of the folder that they write to."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from lseg_cli.files import read_regular
from lseg_cli.inference.embedding import read_info
from lseg_cli.runs.embed import EmbedSteps
from lseg_cli.runs.relabel import RelabelSteps
from lseg_cli.runs.segment import SegmentSteps
from tests.command_line import lseg

NAMES = ("a", "b", "sub/c")


@dataclass(frozen=True)
class Command:
    """A command, and where its results lie.

    Attributes:
        name: of the command.
        arguments: of an ordinary run.
        other: options that change the results.
        folder: of the results, below the output folder.
        suffix: of a result.
        about: the file that says what the results are.
    """

    name: str
    arguments: tuple[str, ...]
    other: tuple[str, ...]
    folder: str
    suffix: str
    about: str = "labels.json"

    def run(self, *more: str, out: str = "out") -> int:
        return lseg(self.name, *self.arguments, "-o", out, *more)

    def file(self, name: str, out: str = "out") -> Path:
        return Path(out, self.folder, f"{name}.{self.suffix}")

    def results(self, out: str = "out") -> dict[str, bytes]:
        root = Path(out, self.folder)
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}

    @property
    def inputs(self) -> Path:
        return Path(self.arguments[0])

    def source(self, name: str) -> Path:
        return Path("in", f"{name}.png") if self.name != "relabel" else Path("feats/embeddings", f"{name}.safetensors")


COMMANDS = {
    "segment": Command("segment", ("in", "-l", "sky,other"), ("--min-confidence", "0.1"), "masks", "png"),
    "embed": Command("embed", ("in",), ("--stride", "2"), "embeddings", "safetensors", "embeddings.json"),
    "relabel": Command("relabel", ("feats", "-l", "sky,other"), ("--min-margin", "0.1"), "masks", "png"),
}
STEPS: dict[str, Any] = {"segment": SegmentSteps, "embed": EmbedSteps, "relabel": RelabelSteps}


def draw(name: str, seed: int = 0) -> None:
    path = Path("in", f"{name}.png")
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng([seed, *name.encode()]).integers(0, 256, (32, 48, 3), np.uint8)
    Image.fromarray(noise).save(path)


def lines(name: str = "out/results.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(name).read_text("utf-8").splitlines()]


def counts(out: str = "out") -> dict[str, int]:
    found: dict[str, int] = json.loads(Path(out, "run.json").read_text())["counts"]
    return found


@pytest.fixture(params=list(COMMANDS))
def command(request: pytest.FixtureRequest, model: Path) -> Command:
    """Each of the three, with three pictures to read, or their embeddings."""
    assert model.exists()
    for name in NAMES:
        draw(name)
    if request.param == "relabel":
        assert lseg("embed", "in", "-o", "feats", "-q") == 0
    return COMMANDS[request.param]


class TestWhatIsThere:
    @pytest.mark.parametrize("more", [(), ("--overwrite",), ("--no-resume",)])
    def test_results_of_somebody_else_are_never_replaced(
        self, command: Command, more: tuple[str, ...], capsys: pytest.CaptureFixture[str]
    ) -> None:
        theirs = command.file("a")
        theirs.parent.mkdir(parents=True)
        theirs.write_text("theirs")
        assert command.run(*more) == 2
        assert "not empty and not of an earlier run; choose another folder with -o." in " ".join(
            capsys.readouterr().err.split()
        )
        assert command.results() == {f"a.{command.suffix}": b"theirs"}

    @pytest.mark.parametrize("name", ["labels.json", "results.jsonl", "failures.jsonl", "run.json", "embeddings.json"])
    def test_nor_their_files_beside_them(self, command: Command, name: str) -> None:
        Path("out").mkdir()
        Path("out", name).write_text('"theirs"\n')
        code = command.run()
        kept = Path("out", name) if code else Path("out/previous-1", name)
        assert kept.read_text() == '"theirs"\n'

    def test_a_result_that_came_later_is_not_replaced(
        self, command: Command, capsys: pytest.CaptureFixture[str]
    ) -> None:
        hidden = command.source("b").rename("hidden")
        assert command.run() == 0
        hidden.rename(command.source("b"))
        command.file("b").write_text("theirs")
        assert command.run() == 2
        assert "is not of an earlier run, or was changed since" in " ".join(capsys.readouterr().err.split())
        assert command.file("b").read_text() == "theirs"

    def test_overwriting_leaves_nothing_of_before(self, command: Command) -> None:
        assert command.run() == 0
        before = command.results()
        command.source("b").unlink()
        assert command.run("--overwrite", *command.other) == 0
        after = command.results()
        assert set(before) - set(after) == {f"b.{command.suffix}"}
        assert len(lines()) == len(after) == 2
        assert not Path("out/previous-1").exists()

    def test_overwriting_spares_what_was_changed_since(self, command: Command) -> None:
        assert command.run() == 0
        command.file("b").write_text("edited by hand")
        command.source("b").unlink()
        assert command.run("--overwrite", *command.other) == 0
        assert command.file("b").read_text() == "edited by hand"

    def test_other_results_are_set_aside(self, command: Command, capsys: pytest.CaptureFixture[str]) -> None:
        assert command.run() == 0
        before = command.results()
        assert command.run(*command.other) == 0
        assert "they are in out/previous-1 now." in " ".join(capsys.readouterr().err.split())
        assert command.results("out/previous-1") == before
        assert Path("out/previous-1", command.about).exists()
        assert len(command.results()) == 3
        assert command.run() == 0
        assert command.results("out/previous-2").keys() == before.keys()

    def test_a_second_process_is_refused(self, command: Command, capsys: pytest.CaptureFixture[str]) -> None:
        Path("out").mkdir()
        with FileLock("out/.lock"):
            assert command.run() == 2
        assert "Another process is writing to out" in capsys.readouterr().err
        assert not command.results()
        assert command.run() == 0

    def test_an_address_is_refused(self, command: Command, capsys: pytest.CaptureFixture[str]) -> None:
        assert command.run(out="s3://bucket/out") == 2
        assert "Results are written to a folder, and s3://bucket/out is" in " ".join(capsys.readouterr().err.split())
        assert not Path("s3:").exists()


class TestGoingOn:
    def test_what_is_done_is_not_done_again(self, command: Command, capsys: pytest.CaptureFixture[str]) -> None:
        hidden = command.source("b").rename("hidden")
        assert command.run() == 0
        before = {path: path.stat().st_mtime_ns for path in Path("out", command.folder).rglob("*") if path.is_file()}
        hidden.rename(command.source("b"))
        assert command.run() == 0
        assert "2 of 3 pictures were done before." in capsys.readouterr().err
        assert {path: path.stat().st_mtime_ns for path in before} == before
        assert counts() == {"found": 3, "done": 3, "failed": 0, "done_before": 2}
        assert len(lines()) == len(command.results()) == 3

    def test_a_result_that_is_gone_and_a_source_that_changed_are_done_again(self, command: Command) -> None:
        assert command.run() == 0
        whole = command.results()
        command.file("a").unlink()
        facts = command.source("b").stat()
        os.utime(command.source("b"), ns=(facts.st_atime_ns, facts.st_mtime_ns + 1_000_000_000))
        assert command.run() == 0
        assert counts()["done_before"] == 1
        assert command.results() == whole
        assert len(lines()) == 3

    def test_a_folder_that_was_moved_with_its_sources_goes_on(
        self, command: Command, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert command.run() == 0
        here = Path.cwd()
        here.rename(here.with_name("elsewhere"))
        monkeypatch.chdir(here.with_name("elsewhere"))
        assert command.run() == 0
        assert counts() == {"found": 3, "done": 3, "failed": 0, "done_before": 3}

    @pytest.mark.parametrize("moved", ["out", "source"])
    def test_either_may_be_moved_alone(self, command: Command, moved: str) -> None:
        assert command.run() == 0
        if moved == "out":
            Path("deep/er").mkdir(parents=True)
            shutil.move("out", "deep/er/out")
            assert command.run(out="deep/er/out") == 0
            assert counts("deep/er/out")["done_before"] == 3
            return
        shutil.copytree(command.inputs, "elsewhere/other")
        shutil.rmtree(command.inputs)
        assert lseg(command.name, "elsewhere/other", *command.arguments[1:], "-o", "out") == 0
        assert counts()["done_before"] == 3
        paths = [Path(line["source"]).as_posix() for line in lines()]
        assert all(path.startswith("elsewhere/other/") for path in paths)
        assert lseg(command.name, "elsewhere/other", *command.arguments[1:], "-o", "out") == 0
        assert counts()["done_before"] == 3

    def test_another_source_of_the_same_name_is_not_taken_for_it(self, command: Command) -> None:
        assert command.run() == 0
        shutil.copytree(command.inputs, "elsewhere")
        assert lseg(command.name, "elsewhere", *command.arguments[1:], "-o", "out") == 2

    def test_shares_make_what_one_run_makes(self, command: Command) -> None:
        assert command.run("-j", "2", out="whole") == 0
        for number in (2, 1):
            assert command.run("--shard", f"{number}/2") in {0, 4}
        assert lines("out/results.jsonl") == []
        assert command.run() == 0
        assert counts()["done_before"] == len(lines()) == 3
        assert command.results() == command.results("whole")
        assert not list(Path("out").glob("[!.]*-of-*"))

    @pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
    def test_a_signal_finishes_what_is_in_flight(
        self,
        command: Command,
        number: signal.Signals,
        code: int,
        stop: Callable[[Command, Callable[[], None]], None],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        stop(command, lambda: os.kill(os.getpid(), number))
        assert command.run("-j", "1", "--threads", "1", "--json") == code
        end = [json.loads(line) for line in capsys.readouterr().out.splitlines()][-1]
        assert (end["event"], end["exit_code"]) == ("end", code)
        done = len(lines())
        assert done == len(command.results()) < 40
        stop(command, lambda: None)
        assert command.run() == 0
        assert counts() == {"found": 43, "done": 43, "failed": 0, "done_before": done}


class TestFailures:
    @pytest.fixture
    def broken(self, command: Command) -> None:
        """One that is broken, besides."""
        command.source("broken").write_text("nothing")

    @pytest.mark.usefixtures("broken")
    def test_they_cost_themselves_alone(self, command: Command, capsys: pytest.CaptureFixture[str]) -> None:
        assert command.run() == 3
        assert "1 of 4 pictures failed: see out/failures.jsonl." in capsys.readouterr().err
        assert len(command.results()) == 3
        assert [line["source"] for line in lines("out/failures.jsonl")] == [str(command.source("broken"))]
        assert command.run("--ignore-failures") == 0
        assert command.run("--max-failures", "25%") == 3

    @pytest.mark.usefixtures("broken")
    @pytest.mark.parametrize("option", [("--fail-fast",), ("--max-failures", "0")])
    def test_too_many_stop_the_run(
        self, command: Command, option: tuple[str, ...], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert command.run(*option, "--json") == 8
        events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [event["event"] for event in events][-2:] == ["error", "end"]
        assert events[-1]["exit_code"] == events[-2]["exit_code"] == 8
        assert "1 of 4 pictures failed, more than the 0 allowed" in events[-2]["text"]


class TestEvents:
    def test_each_has_a_time_and_the_last_one_the_exit_code(
        self, command: Command, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert command.run("--json", "-q") == 0
        said = capsys.readouterr()
        events = [json.loads(line) for line in said.out.splitlines()]
        assert [event["event"] for event in events if event["event"] != "notice"] == [
            "start", "done", "done", "done", "end",
        ]  # fmt: skip
        times = [event["time"] for event in events]
        assert times == sorted(times)
        assert events[-1]["exit_code"] == 0

    def test_an_error_before_the_start_is_one_too(self, command: Command, capsys: pytest.CaptureFixture[str]) -> None:
        Path("out").write_text("a file")
        assert command.run("--json") == 2
        events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [event["event"] for event in events] == ["error", "end"]
        assert events[0]["text"] == "out is a file; choose another folder with -o."
        assert events[-1]["exit_code"] == 2


@pytest.mark.usefixtures("model")
def test_embeddings_of_two_strides_are_never_mixed() -> None:
    for name in NAMES:
        draw(name)
    assert lseg("embed", "in", "-o", "feats") == 0
    Path("in/b.png").unlink()
    assert lseg("embed", "in", "-o", "feats", "--stride", "2", "--overwrite") == 0
    infos = [read_info(path) for path in Path("feats/embeddings").rglob("*.safetensors")]
    assert [info.stride for info in infos] == [2, 2]
    assert lseg("relabel", "feats", "-l", "sky,other") == 0
    assert len(lines()) == 2


@pytest.mark.usefixtures("model")
def test_embeddings_as_arrays_are_resumed_with_what_lies_beside_them() -> None:
    draw("a")
    assert lseg("embed", "in", "--format", "npy") == 0
    (line,) = lines("feats/results.jsonl")
    assert line["files"] == {"embedding-info": "embeddings/a.json"}
    assert line["sizes"] == {
        "embedding-npy": Path("feats/embeddings/a.npy").stat().st_size,
        "embedding-info": Path("feats/embeddings/a.json").stat().st_size,
    }
    Path("feats/embeddings/a.json").unlink()
    assert lseg("embed", "in", "--format", "npy") == 0
    assert json.loads(read_regular("feats/embeddings/a.json", 1_000_000))["stride"] == 4


@pytest.mark.usefixtures("model")
def test_relabel_does_not_write_to_the_folder_it_reads(capsys: pytest.CaptureFixture[str]) -> None:
    draw("a")
    assert lseg("segment", "in", "-l", "sky,other", "--save", "embeddings") == 0
    assert lseg("relabel", "out", "-l", "tree,other") == 2
    assert "The embeddings lie in out, where the masks are to go" in " ".join(capsys.readouterr().err.split())
    assert Path("out/embeddings/a.safetensors").exists()


@pytest.fixture
def stop(monkeypatch: pytest.MonkeyPatch) -> Callable[[Command, Callable[[], None]], None]:
    """Adds forty pictures, and does something when the third is inferred."""

    def set_up(command: Command, act: Callable[[], None]) -> None:
        if not Path("in/39.png").exists():
            for number in range(40):
                draw(f"{number:02}")
            if command.name == "relabel":
                assert lseg("embed", "in", "-o", "feats", "-q") == 0
        steps = STEPS[command.name]
        infer = infers.setdefault(command.name, steps.infer)
        calls = iter(range(1000))

        def counted(self: Any, batch: Any) -> Any:
            if next(calls) == 2:
                act()
            return infer(self, batch)

        monkeypatch.setattr(steps, "infer", counted)

    infers: dict[str, Any] = {}
    return set_up
