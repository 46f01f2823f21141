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

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
    def test_lists_as_windows_writes_them(self, encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        draw(tmp_path / "a ä.png")
        draw(tmp_path / "private" / "b.png")
        (tmp_path / "list.txt").write_text("a ä.png\n", encoding)
        monkeypatch.chdir(tmp_path)
        assert names("@list.txt") == ["a ä.png"]

    @pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "latin-1", "utf-32"])
    def test_lists_in_another_encoding_are_refused(
        self, encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of UTF-16 without a mark each letter would be a name, and './' and '/' folders to walk."""
        draw(tmp_path / "a.png")
        (tmp_path / "list.txt").write_text("./a ä.png\n/tmp/b.png\n", encoding)
        monkeypatch.chdir(tmp_path)
        with pytest.raises(LsegError, match=r"The list of pictures list\.txt cannot be read: it is not text in UTF-8"):
            names("@list.txt")

    @pytest.mark.parametrize("entry", [".", "..", "../in", "/"])
    def test_a_list_names_a_folder_above_itself_only_if_that_is_meant(
        self, entry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        draw(tmp_path / "in" / "a.png")
        (tmp_path / "in" / "list.txt").write_text(entry)
        monkeypatch.chdir(tmp_path / "in")
        with pytest.raises(LsegError, match="a folder that holds the list itself; give --recursive"):
            names("@list.txt")
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(entry.encode())))
        with pytest.raises(LsegError, match="give --recursive"):
            names("-")
        if entry != "/":
            assert [source.path.name for source in find_images(["@list.txt"], recursive=True)] == ["a.png"]

    def test_a_list_that_is_no_file_is_refused(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(LsegError, match=r"cannot be read \(it is a named pipe, not a file\)"):
            names(f"@{tmp_path / 'pipe'}")

    def test_what_is_passed_over_is_counted_by_ending(self, tmp_path: Path) -> None:
        for name in ("a.jfif", "b.MPO", "c.jp2", "d.ppm", "e.tga", "f.JPE", "g.hif"):
            (tmp_path / name).touch()
        said: list[str] = []
        assert len(find_images([str(tmp_path)], say=said.append)) == 7
        assert said == []
        for name in ("1.nef", "2.NEF", "3.mp4", "sub/notes.txt", "Makefile"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).touch()
        assert len(find_images([str(tmp_path)], say=said.append)) == 7
        assert said == [
            "5 files were passed over: 2 .nef, 1 .mp4, 1 without an ending, 1 .txt. "
            "Name films themselves to segment their frames."
        ]

    @pytest.mark.parametrize("folder", ["@eaDir/a.jpg", ".thumbnails", "__MACOSX", "#recycle"])
    def test_thumbnails_are_left_out_unless_named(self, folder: str, tmp_path: Path) -> None:
        draw(tmp_path / "a.png")
        draw(tmp_path / folder / "thumb.png")
        said: list[str] = []
        for given in (tmp_path, tmp_path / "**" / "*.png"):
            assert [source.name for source in find_images([str(given)], say=said.append)] == ["a.png"]
        if not folder.startswith("."):
            assert said == [f"Folders of thumbnails were passed over: 1 {folder.split('/', maxsplit=1)[0]}."] * 2
        assert names(tmp_path / folder) == ["thumb.png"]

    @pytest.mark.parametrize(
        ("pattern", "left"),
        [
            ("*_mask.png", ["a.png", "old/b.png", "old/deep/c.png"]),
            ("old", ["a.png", "a_mask.png"]),
            ("old/*", ["a.png", "a_mask.png"]),
            ("deep/", ["a.png", "a_mask.png", "old/b.png"]),
        ],
    )
    def test_exclude_leaves_out_more(self, pattern: str, left: list[str], tmp_path: Path) -> None:
        for name in ("a.png", "a_mask.png", "old/b.png", "old/deep/c.png"):
            draw(tmp_path / name)
        said: list[str] = []
        found = find_images([str(tmp_path)], (pattern,), say=said.append)
        assert [source.name for source in found] == left
        assert said
        assert said[0].startswith("--exclude left out")

    def test_a_link_to_a_folder_that_is_called_like_a_picture_fails_as_one(self, tmp_path: Path) -> None:
        draw(tmp_path / "a.png")
        draw(tmp_path / "elsewhere" / "secret.png")
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "dir.png").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
        (found,) = find_images([str(tmp_path / "in")])
        with pytest.raises(PictureError, match=r"dir\.png cannot be read \(it is a folder, not a file\)"):
            open_image(found.path)

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
