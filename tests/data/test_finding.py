"""Pictures are found among files, folders, patterns and lists; nothing is lost in silence."""

import io
import os
import sys
from pathlib import Path

import pytest
from PIL import Image

from lseg_cli.data.finding import find_images
from lseg_cli.data.images import PictureError, open_image
from lseg_cli.errors import DataError, LsegError


def draw(path: Path) -> Path:
    """A small red picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6), (200, 30, 40)).save(path, format="PNG")
    return path


def names(*inputs: str | Path) -> list[str]:
    return [source.name for source in find_images([str(each) for each in inputs])]


class TestFinding:
    def test_folders_are_searched_recursively_and_sorted(self, tmp_path: Path) -> None:
        for name in ("b.png", "a/z.JPG", "a.tiff", "c/d/e.webp", "notes.txt"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        assert names(tmp_path) == ["a.tiff", "a/z.JPG", "b.png", "c/d/e.webp"]

    def test_hidden_files_and_folders_are_skipped_but_taken_when_named(self, tmp_path: Path) -> None:
        draw(tmp_path / "a.png")
        hidden = draw(tmp_path / ".b.png")
        draw(tmp_path / ".git" / "c.png")
        assert names(tmp_path) == ["a.png"]
        assert names(hidden) == [".b.png"]

    def test_a_named_file_is_taken_whatever_its_extension(self, tmp_path: Path) -> None:
        path = draw(tmp_path / "picture.dat")
        assert names(path) == ["picture.dat"]

    def test_patterns(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("in/a.png", "in/b.jpg", "in/deep/er/c.png", "in/.d/e.png", "in/f.txt", "in/g.dat"):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        monkeypatch.chdir(tmp_path)
        assert names("in/*.png") == ["a.png"]
        assert names("in/**/*.png") == ["a.png", "deep/er/c.png"]
        assert names("in/**") == ["a.png", "b.jpg", "deep/er/c.png"]
        assert names("in/*") == ["a.png", "b.jpg", "deep/er/c.png"]
        assert names("in/*.dat") == ["g.dat"]
        assert names("*/deep") == ["in/deep/er/c.png"]
        with pytest.raises(DataError, match="no picture in in/x"):
            names("in/x*.png")

    def test_a_file_whose_name_looks_like_a_pattern_is_that_file(self, tmp_path: Path) -> None:
        assert names(draw(tmp_path / "photo [1]*.png")) == ["photo [1]*.png"]

    def test_a_file_whose_name_starts_with_at_is_that_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        draw(tmp_path / "@home.png")
        monkeypatch.chdir(tmp_path)
        assert names("@home.png") == ["@home.png"]

    def test_lists(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        draw(tmp_path / "a.png")
        draw(tmp_path / "sub" / "ü b.png")
        (tmp_path / "list.txt").write_bytes("\ufeff# mine\r\na.png\r\n\r\nsub\r\ngone.png\r\n".encode())
        monkeypatch.chdir(tmp_path)
        assert names("@list.txt") == ["a.png", "ü b.png", "gone.png"]  # the last fails when read: it is counted
        with pytest.raises(LsegError, match=r"The list of pictures none\.txt cannot be read"):
            names("@none.txt")

    @pytest.mark.parametrize("end", ["\n", "\0"])
    def test_names_on_stdin(self, end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        paths = [draw(tmp_path / "a.png"), draw(tmp_path / "b c.png")]
        data = end.join(str(path) for path in paths) + end
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data.encode())))
        assert names("-") == ["a.png", "b c.png"]

    def test_the_same_file_is_taken_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        draw(tmp_path / "in" / "a.png")
        monkeypatch.chdir(tmp_path)
        assert names("in", "in/a.png", tmp_path / "in", "./in/../in/a.png") == ["a.png"]

    def test_loops_of_links_end_and_real_folders_come_first(self, tmp_path: Path) -> None:
        draw(tmp_path / "real" / "a.png")
        (tmp_path / "another").symlink_to(tmp_path / "real", target_is_directory=True)
        (tmp_path / "real" / "loop").symlink_to(tmp_path, target_is_directory=True)
        assert names(tmp_path) == ["real/a.png"]

    def test_a_linked_file_is_a_name_of_its_own_and_a_broken_link_is_counted(self, tmp_path: Path) -> None:
        draw(tmp_path / "a.png")
        (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
        (tmp_path / "c.png").symlink_to(tmp_path / "gone.png")
        assert names(tmp_path) == ["a.png", "b.png", "c.png"]

    def test_results_of_earlier_runs_are_passed_over(self, tmp_path: Path) -> None:
        draw(tmp_path / "a.png")
        draw(tmp_path / "masks" / "mine.png")  # a folder that happens to have the name
        for name in ("masks/a.png", "overlays/a.jpg", "conf/a.png"):
            draw(tmp_path / "out" / name)
        (tmp_path / "out" / "results.jsonl").touch()
        assert names(tmp_path) == ["a.png", "masks/mine.png"]
        assert names(tmp_path / "**" / "*.*") == ["a.png", "masks/mine.png"]
        assert names(tmp_path / "out" / "masks") == ["a.png"]  # asked for
        with pytest.raises(DataError, match="no picture"):
            names(tmp_path / "out")

    def test_a_folder_that_cannot_be_opened_is_counted(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        draw(tmp_path / "a.png")
        (tmp_path / "locked").mkdir()
        scandir = os.scandir

        def refuse(path: Path) -> object:
            if Path(path).name == "locked":
                raise PermissionError(13, "Permission denied")
            return scandir(path)

        monkeypatch.setattr(os, "scandir", refuse)
        assert names(tmp_path) == ["a.png", "locked"]
        with pytest.raises(PictureError, match="locked cannot be read"):
            open_image(tmp_path / "locked")

    def test_an_address_of_files_is_a_path(self, tmp_path: Path) -> None:
        draw(tmp_path / "my in" / "ä.png")
        draw(tmp_path / "my in" / "b.png")
        address = (tmp_path / "my in").as_uri()
        assert names(address) == ["b.png", "ä.png"]
        assert names(f"{address}/b*.png", tmp_path / "my in" / "b.png") == ["b.png"]
        (tmp_path / "list.txt").write_text(f"{address}/%C3%A4.png\n")
        assert names(f"@{tmp_path / 'list.txt'}") == ["ä.png"]

    @pytest.mark.parametrize("missing", ["gone.png", "gone/", ""])
    def test_a_missing_path_is_a_usage_error(self, missing: str) -> None:
        with pytest.raises(LsegError, match="There is no file or folder") as caught:
            names(missing)
        assert caught.value.exit_code == 2

    def test_nothing_found_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").touch()
        with pytest.raises(DataError, match=r"There is no picture in .*; looked for jpg"):
            names(tmp_path)
