"""A run into one folder, whatever is done with each picture: damaged journals, links, files that are added later."""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lseg_cli.data.finding import find_images
from lseg_cli.errors import LsegError
from lseg_cli.results.folder import OutputFolder
from lseg_cli.results.journal_lines import JournalLines
from lseg_cli.results.records import Done, Item, Result, Stamp
from lseg_cli.runs.folder_run import FolderRun, Job, share_of
from lseg_cli.runs.options import SegmentOptions

NAMES = ("a", "b", "c", "sub/d", "e")


class Copyist:
    """Writes a picture's name as its mask, and notes what it was asked for; fulfils `lseg_cli.runs.crew.Crew`."""

    device, precision = "cpu", "fp32"

    def __init__(self, output: OutputFolder, kinds: frozenset[str]) -> None:
        self.output, self.kinds = output, kinds
        self.asked: list[tuple[str, list[str]]] = []

    def run(self, items: Iterable[Item | None], should_stop: Callable[[], bool]) -> Iterator[Result]:
        for item in filter(None, items):
            kinds = sorted(self.kinds if item.kinds is None else item.kinds)
            self.asked.append((item.name, kinds))
            written = self.output.write(item.name, {kind: writer(kind, item.name) for kind in kinds})
            stamp = Stamp.of(item.source.path)
            files = written.beside("mask")
            yield Done(
                str(item.source.path), f"masks/{item.name}.png", 2, 3, {"sky": 1.0}, 0.0, 0.5, {}, stamp, files,
                written.sizes,
            )  # fmt: skip


def writer(kind: str, name: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_text(f"{kind} of {name}")

    return write


def make_run(out: Path, kinds: Sequence[str] = ("mask",), **options: Any) -> tuple[FolderRun, Copyist]:
    asked = SegmentOptions(inputs=(str(out.parent / "in"),), labels="sky", out=str(out), **options)
    output, all_kinds = OutputFolder(out), frozenset(kinds)
    crew = Copyist(output, all_kinds)
    job = Job(
        verb="copied",
        options=asked,
        output=output,
        items=share_of(find_images(asked.inputs), None),
        kinds=all_kinds,
        crew=crew,
        model={},
        record={"command": "copy"},
        about={},
        notices=[],
    )
    return FolderRun(job), crew


def carry_out(out: Path, kinds: Sequence[str] = ("mask",), **options: Any) -> tuple[FolderRun, Copyist]:
    run, crew = make_run(out, kinds, **options)
    with run:
        list(run.run())
    return run, crew


def lines(out: Path) -> list[dict[str, Any]]:
    """Every line of the journal, which must be JSON as every reader takes it."""
    data = (out / "results.jsonl").read_bytes()
    assert data.endswith(b"\n") or not data
    return [json.loads(line.decode("utf-8"), parse_constant=pytest.fail) for line in data.split(b"\n")[:-1]]


def masks(out: Path) -> dict[str, str]:
    return {path.relative_to(out).as_posix(): path.read_text() for path in (out / "masks").rglob("*.png")}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of five empty files, `in`, and of a finished run, `out`."""
    root = tmp_path_factory.mktemp("run")
    for name in NAMES:
        path = root / "in" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    carry_out(root / "out")
    return root


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    """A copy of that folder for one test."""
    return shutil.copytree(finished, tmp_path / "copy", copy_function=shutil.copy2)


def changed(**values: Any) -> Callable[[bytes], bytes]:
    """A line in which something else is said."""

    def change(line: bytes) -> bytes:
        data = {**json.loads(line), **values}
        return json.dumps({key: value for key, value in data.items() if value is not None}).encode() + b"\n"

    return change


NOT_NAMES: tuple[Any, ...] = (
    "", ".", "masks", "masks/", "/", "/etc/passwd", "../x.png", "masks/../../x.png", "masks//x.png", "overlays/x.png",
    "masks/x.jpg", "masks/" + "x" * 300 + ".png", "masks/" + "x/" * 3000 + "y.png", "masks/\0.png", "masks/\ud800.png",
    7, [], {},
)  # fmt: skip
NOT_FILES: tuple[Any, ...] = ([], 7, {"overlay": "masks/x.png"}, {"unknown": "x/y"}, {"conf": 3})
NOT_SIZES: tuple[Any, ...] = ([], {"mask": -1}, {"mask": "big"}, 7)
DAMAGES: tuple[Callable[[bytes], bytes], ...] = (
    *(lambda line, share=share: line[: int(len(line) * share)] for share in (0.01, 0.3, 0.7, 0.99)),
    *(lambda line, text=text: text + b"\n" for text in (
        b"", b"   ", b"\0" * 4096, b"null", b"[]", b"[1]", b"{}", b"7", b'"a"', b"true", b"}{", b"\xff\xfe", b"NaN",
        b"[" * 100_000, b'{"mask": ' + b"9" * 5000 + b"}",
    )),
    lambda line: line[:40] + b"\0" * 512 + line[552:],
    lambda line: line[:60] + b"\xe9\xff" + line[62:],
    lambda line: line.replace(b'"width_px": 3', b'"width_px": NaN'),
    *(changed(**{key: None}) for key in ("source", "mask", "height_px", "width_px", "file", "files")),
    *(changed(mask=name) for name in NOT_NAMES),
    *(changed(files=files) for files in NOT_FILES),
    *(changed(file=file) for file in ("x", {}, {"path": "", "size_bytes": 1, "mtime_ns": 1})),
    *(changed(file={"path": "x", "size_bytes": size, "mtime_ns": 1}) for size in (-1, "1", 1.5, None)),
    *(changed(sizes=sizes) for sizes in NOT_SIZES),
    changed(height_px=-3), changed(width_px="3"), changed(source=7), changed(source=""),
)  # fmt: skip


class TestDamage:
    @settings(max_examples=int(os.environ.get("LSEG_DAMAGES", "60")), deadline=None,
              suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
    @given(st.dictionaries(st.integers(0, len(NAMES) - 1), st.integers(0, len(DAMAGES) - 1), min_size=1))
    def test_a_damaged_line_costs_itself_alone(
        self, finished: Path, tmp_path_factory: pytest.TempPathFactory, damage: dict[int, int]
    ) -> None:
        root = tmp_path_factory.mktemp("damaged") / "copy"
        shutil.copytree(finished, root, copy_function=shutil.copy2)
        out, sound = root / "out", masks(finished / "out")
        whole = (out / "results.jsonl").read_bytes().splitlines(keepends=True)
        harmed = [DAMAGES[damage[number]](line) if number in damage else line for number, line in enumerate(whole)]
        # A line without its end takes the next one with it.
        lost = set(damage) | {
            number + 1 for number in damage if not harmed[number].endswith(b"\n") and number + 1 < len(whole)
        }
        (out / "results.jsonl").write_bytes(b"".join(harmed))
        run, crew = carry_out(out)
        assert run.summary.exit_code == 0
        assert len(crew.asked) == len(lost)
        assert len(lines(out)) == len(NAMES)
        assert {line["mask"] for line in lines(out)} == sound.keys()
        assert masks(out) == sound
        kept = [line for number, line in enumerate(whole) if number not in lost]
        assert (out / "results.jsonl").read_bytes().startswith(b"".join(kept))
        aside = out / "results.damaged.jsonl"
        assert aside.exists() == any("set aside in" in notice for notice in run.notices)
        if aside.exists():
            assert all(json.loads(line)["journal"] == "results.jsonl" for line in aside.read_bytes().splitlines())
        shutil.rmtree(root.parent)

    @pytest.mark.parametrize("number", range(len(DAMAGES)))
    def test_every_kind_of_damage(self, number: int, copy: Path) -> None:
        journal = copy / "out" / "results.jsonl"
        first, *others = journal.read_bytes().splitlines(keepends=True)
        journal.write_bytes(b"".join([*others, DAMAGES[number](first)]))
        _, crew = carry_out(copy / "out")
        assert len(crew.asked) == 1
        assert len(lines(copy / "out")) == len(NAMES)

    def test_damaged_lines_are_kept_for_whoever_wants_them(self, copy: Path) -> None:
        journal = copy / "out" / "results.jsonl"
        first, *others = journal.read_bytes().splitlines(keepends=True)
        journal.write_bytes(b"".join([first[:50], b"\n", *others]))
        run, _ = carry_out(copy / "out")
        (line,) = (copy / "out" / "results.damaged.jsonl").read_text().splitlines()
        assert json.loads(line) == {"journal": "results.jsonl", "line": 1, "content": first[:50].decode() + "\n"}
        aside = copy / "out" / "results.damaged.jsonl"
        assert run.notices[0] == (
            f"1 line of the journal was damaged and set aside in {aside}; those pictures are done again."
        )

    @pytest.mark.parametrize("kept", [0, 1, 3])
    def test_lines_that_are_gone_cost_themselves_alone(self, kept: int, copy: Path) -> None:
        journal = copy / "out" / "results.jsonl"
        journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:kept]))
        _, crew = carry_out(copy / "out")
        assert len(crew.asked) == len(NAMES) - kept
        assert len(lines(copy / "out")) == len(NAMES)

    @pytest.mark.parametrize("text", [b"[1]", b"{", b"\0" * 100, b'{"record": 3}', b"[" * 100_000])
    def test_a_damaged_description_sets_the_results_aside(self, text: bytes, copy: Path) -> None:
        (copy / "out" / "labels.json").write_bytes(text)
        _, crew = carry_out(copy / "out")
        assert len(crew.asked) == len(NAMES)
        assert masks(copy / "out" / "previous-1") == masks(copy / "out")


class TestLinks:
    @pytest.fixture
    def photos(self, copy: Path) -> Path:
        """Photographs beside the output folder."""
        (copy / "photos").mkdir()
        for name in ("family.png", "a.png", "wedding.png"):
            (copy / "photos" / name).write_text("precious")
        return copy / "photos"

    def intact(self, photos: Path) -> bool:
        found = {path.name: path.read_text() for path in photos.iterdir()}
        return found == dict.fromkeys(("family.png", "a.png", "wedding.png"), "precious")

    @pytest.mark.parametrize("options", [{}, {"overwrite": True}, {"resume": False}])
    def test_nothing_is_written_or_deleted_through_a_linked_folder(
        self, photos: Path, copy: Path, options: dict[str, Any]
    ) -> None:
        out = copy / "out"
        shutil.rmtree(out / "masks")
        (out / "masks").symlink_to("../photos")
        data = lines(out)
        data[0] |= {"mask": "masks/family.png", "sizes": {"mask": 8, "conf": 8}, "files": {}}
        data[1] |= {"mask": "masks/wedding.png", "sizes": {"mask": 8}}
        (out / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in data))
        with pytest.raises(LsegError, match="masks is a link, and nothing is written through it"):
            carry_out(out, **options)
        assert self.intact(photos)

    def test_nor_through_a_link_deeper_down(self, photos: Path, copy: Path) -> None:
        out = copy / "out"
        shutil.rmtree(out / "masks" / "sub")
        (out / "masks" / "sub").symlink_to("../../photos")
        data = lines(out)
        data.append({**data[0], "mask": "masks/sub/family.png", "sizes": {"mask": 8}})
        data[-1]["file"] = {"path": "../in/gone.png", "size_bytes": 1, "mtime_ns": 1}
        (out / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in data))
        with pytest.raises(LsegError, match="is a link or lies outside"):
            carry_out(out)
        assert self.intact(photos)
        with pytest.raises(LsegError):
            carry_out(out, overwrite=True)
        assert self.intact(photos)

    def test_overwriting_deletes_only_what_the_lines_account_for(self, copy: Path) -> None:
        out = copy / "out"
        (out / "masks" / "a.png").write_text("another size than that of its line")
        (out / "masks" / "mine.png").write_text("mine")
        (copy / "in" / "a.png").unlink()
        carry_out(out, overwrite=True)
        kept = {"masks/a.png", "masks/mine.png"}
        assert kept < masks(out).keys()
        assert len(lines(out)) == len(NAMES) - 1

    @pytest.mark.parametrize(
        "name",
        [
            "failures.jsonl",
            "results.jsonl",
            "labels.json",
            "run.json",
            ".lock",
            ".claims.json",
            "results.damaged.jsonl",
        ],
    )
    @pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
    def test_journals_and_locks_are_regular_files(self, name: str, kind: str, copy: Path) -> None:
        (copy / "precious").write_text("precious")
        path = copy / "out" / name
        path.unlink(missing_ok=True)
        if kind == "link":
            path.symlink_to("../precious")
        elif kind == "pipe":
            os.mkfifo(path)
        else:
            path.mkdir()
        with pytest.raises(LsegError, match="remove it, or choose another -o"):
            carry_out(copy / "out")
        assert (copy / "precious").read_text() == "precious"

    def test_the_output_folder_may_be_a_link(self, copy: Path) -> None:
        (copy / "short").symlink_to("out")
        _, crew = carry_out(copy / "short")
        assert crew.asked == []


class TestAdding:
    def test_only_what_is_missing_is_written(self, copy: Path) -> None:
        out = copy / "out"
        before = {path: path.stat().st_mtime_ns for path in (out / "masks").rglob("*.png")}
        _, crew = carry_out(out, ("mask", "overlay"))
        assert sorted(crew.asked) == [(name, ["overlay"]) for name in sorted(NAMES)]
        assert {path: path.stat().st_mtime_ns for path in before} == before
        assert len(lines(out)) == len(NAMES)
        assert all(set(line["sizes"]) == {"mask", "overlay"} for line in lines(out))
        assert not (out / "previous-1").exists()

    def test_what_is_not_asked_for_stays(self, copy: Path) -> None:
        out = copy / "out"
        carry_out(out, ("mask", "overlay"))
        _, crew = carry_out(out, ("mask", "conf"))
        assert sorted(crew.asked) == [(name, ["conf"]) for name in sorted(NAMES)]
        assert all(set(line["files"]) == {"overlay", "conf"} for line in lines(out))
        _, crew = carry_out(out)
        assert crew.asked == []
        assert len(list((out / "overlays").rglob("*.jpg"))) == len(NAMES)

    def test_a_picture_that_changed_loses_what_is_not_made_anew(self, copy: Path) -> None:
        out = copy / "out"
        carry_out(out, ("mask", "overlay"))
        (copy / "in" / "a.png").write_text("changed")
        _, crew = carry_out(out)
        assert crew.asked == [("a", ["mask"])]
        assert not (out / "overlays" / "a.jpg").exists()
        assert len(list((out / "overlays").rglob("*.jpg"))) == len(NAMES) - 1

    def test_one_that_is_gone_is_written_alone(self, copy: Path) -> None:
        out = copy / "out"
        carry_out(out, ("mask", "overlay"))
        (out / "overlays" / "a.jpg").unlink()
        _, crew = carry_out(out, ("mask", "overlay"))
        assert crew.asked == [("a", ["overlay"])]


class TestLines:
    def test_a_reader_meanwhile_finds_each_picture_once(self, copy: Path) -> None:
        out = copy / "out"
        run, _ = make_run(out, ("mask", "overlay"))
        with run:
            results = run.run()
            for _ in range(2):
                next(results)
            data = list(JournalLines(out))
            assert len((out / "results.jsonl").read_bytes().splitlines()) == len(NAMES) + 2
            assert sorted(line["mask"] for line in data) == sorted(f"masks/{name}.png" for name in NAMES)
            assert sum("overlay" in line["files"] for line in data) == 2
        assert len(lines(out)) == len(NAMES)

    def test_a_run_that_was_killed_while_it_added_goes_on(self, copy: Path) -> None:
        out = copy / "out"
        carry_out(out, ("mask", "overlay"))
        twice = (out / "results.jsonl").read_bytes()
        shutil.rmtree(out)
        carry_out(out)
        (out / "results.jsonl").write_bytes((out / "results.jsonl").read_bytes() + twice)
        (out / "overlays").mkdir()
        (out / "overlays" / "a.jpg").write_text("overlay of a")
        _, crew = carry_out(out, ("mask", "overlay"))
        assert sorted(crew.asked) == [(name, ["overlay"]) for name in sorted(NAMES) if name != "a"]
        assert len(lines(out)) == len(NAMES)
