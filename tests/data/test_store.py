"""Pictures of an object store are found and read as those of a folder."""

import io
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lseg_cli.data.finding import Source, find_images
from lseg_cli.data.images import PictureError, open_image
from lseg_cli.data.store import Address, State, _state, locate, locate_output
from lseg_cli.errors import LsegError, MissingError
from lseg_cli.results.names import output_names
from lseg_cli.results.records import Stamp
from tests.conftest import Bucket


def picture() -> bytes:
    """A small red PNG."""
    file = io.BytesIO()
    Image.new("RGB", (8, 6), (200, 30, 40)).save(file, "PNG")
    return file.getvalue()


def names(*inputs: str) -> list[str]:
    return [source.name for source in find_images(inputs)]


class TestFinding:
    def test_the_rules_are_those_of_folders(self, bucket: Bucket, tmp_path: Path) -> None:
        keys = (
            "in/b.png", "in/a/z.JPG", "in/a.tiff", "in/c/d/e.webp", "in/notes.txt", "in/.b.png", "in/.git/c.png",
            "in/masks/mine.png", "in/out/results.jsonl", "in/out/masks/a.png", "in/out/masks/deep/b.png", "in2/x.png",
        )  # fmt: skip
        for key in keys:
            (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / key).touch()
            bucket.put(key, b"")
        bucket.put("in/folder.png/", b"")  # as consoles of stores make a folder
        expected = ["a.tiff", "a/z.JPG", "b.png", "c/d/e.webp", "masks/mine.png"]
        assert names(str(tmp_path / "in")) == expected
        assert names(bucket.address("in")) == names(bucket.address("in/")) == expected
        assert names(bucket.address()) == [*(f"in/{name}" for name in expected), "in2/x.png"]
        assert names(bucket.address("in/out/masks")) == ["a.png", "deep/b.png"]  # asked for

    def test_an_object_is_taken_whatever_it_is_called_and_once(self, bucket: Bucket) -> None:
        for key in ("in/picture.dat", "in/.a.png", "in/b.png"):
            bucket.put(key, picture())
        objects = [bucket.address(f"in/{name}") for name in ("picture.dat", ".a.png", "b.png")]
        assert names(*objects, bucket.address("in")) == ["picture.dat", ".a.png", "b.png"]

    def test_lists_hold_addresses(self, bucket: Bucket, tmp_path: Path) -> None:
        for key in ("in/a.png", "in/b.png", "c d.png"):
            bucket.put(key, picture())
        listed = (bucket.address(name) for name in ("in", "c d.png", "gone.png", "gone"))
        (tmp_path / "list.txt").write_text("\n".join(listed))
        found = find_images([f"@{tmp_path / 'list.txt'}"])
        assert [source.name for source in found] == ["a.png", "b.png", "c d.png", "gone.png", "gone"]
        assert [open_image(source.path).size for source in found[:3]] == [(8, 6)] * 3
        for source in found[3:]:
            with pytest.raises(PictureError, match=r"gone.* cannot be read \(No such file or directory\)") as caught:
                open_image(source.path)
            assert caught.value.stage == "read"

    def test_names_in_any_script_are_read_and_none_leads_out_of_the_output(self, bucket: Bucket) -> None:
        for name in ("a b%20?#[1]*é.png", "../../b.png", "./c.png"):
            bucket.put(f"in/{name}", picture())
        (source,) = find_images([bucket.address("in")])
        assert source.name == "a b%20?#[1]*é.png"
        assert open_image(locate(str(source.path))).size == (8, 6)

    def test_a_state_is_the_same_in_a_listing_and_alone(self, bucket: Bucket) -> None:
        bucket.put("in/a.png", picture())
        (source,) = find_images([bucket.address("in")])
        assert isinstance(source.path, Address)
        assert source.path.state is not None  # nobody asks again, of a million
        assert Stamp.of(source.path) == Stamp.of(locate(str(source.path)))
        assert Stamp.of(source.path).size_bytes == len(picture())
        assert Stamp.of(locate(bucket.address("gone.png"))) == Stamp(bucket.address("gone.png"))

    def test_a_time_is_told_in_whole_seconds_for_some_stores_tell_less_of_a_lone_object(self) -> None:
        fs = pytest.importorskip("pyarrow.fs", reason="needs the pyarrow package (the extra ray)")
        listed = fs.FileInfo("a.png", type=fs.FileType.File, size=3, mtime_ns=7_654_000_000)
        assert _state(listed) == State(3, 7_000_000_000)

    def test_roots_are_mirrored_below_what_holds_them_all(self) -> None:
        roots = ("s3://one/in", "s3://two/in", "s3://two/in?endpoint_override=other:1", "/data/in")
        sources = [Source(locate(f"{root}/a.png"), locate(root), "a.png") for root in roots]
        assert output_names(sources[:1]) == ["a"]
        assert output_names(sources[:2]) == ["one/in/a", "two/in/a"]
        assert len(set(output_names(sources))) == len(sources)


class TestAddress:
    @given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda name: name[-1] != "/"))
    def test_it_says_where_any_object_is(self, name: str) -> None:
        address = Address("s3://bucket", f"/{name}", "?region=eu-west-1")
        assert locate(str(address)) == address
        assert str(address).isascii()

    def test_a_path_stays_one(self) -> None:
        assert [locate(text) for text in ("a.png", "C:/a.png", "a:b")] == [Path("a.png"), Path("C:/a.png"), Path("a:b")]

    @pytest.mark.parametrize(
        "text", ["s3://key:word@bucket/in", "abfs://files@place.dfs.core.windows.net/in?client_secret=word"]
    )
    def test_a_secret_is_refused_and_not_repeated(self, text: str) -> None:
        with pytest.raises(LsegError, match="holds a secret, which journals would keep") as caught:
            locate(text)
        assert "word" not in str(caught.value)

    def test_results_go_to_a_folder(self) -> None:
        assert locate_output("file:///data/out") == Path("/data/out")
        with pytest.raises(LsegError, match="Results are written to a folder, and s3://bucket/out is an address"):
            locate_output("s3://bucket/out")


class TestRefusals:
    @pytest.mark.parametrize(
        ("path", "sentence"),
        [
            ("none", "There is no object or folder s3://pictures-.*/none.*; check bucket and name"),
            ("in/*.png", "There is no object or folder .*; patterns are of files; give the folder"),
            ("in//a.png", r"cannot be read \(Empty path component .*\); check the address"),
        ],
    )
    def test_what_is_not_there(self, path: str, sentence: str, bucket: Bucket) -> None:
        bucket.put("in/a.png", picture())
        with pytest.raises(LsegError, match=sentence):
            find_images([bucket.address(path)])

    def test_a_bucket_that_is_not_there(self, bucket: Bucket) -> None:
        missing = bucket.address("in").replace(bucket.name, "nobody")
        with pytest.raises(LsegError, match="There is no object or folder s3://nobody/in"):
            find_images([missing])

    @pytest.mark.parametrize(
        ("address", "sentence"),
        [
            ("https://host/a.png", r"\(Unrecognized filesystem type in URI: https://host/\)"),
            ("s3://bucket/in?colour=red", r"\(Unexpected query parameter in S3 URI: 'colour'\)"),
        ],
    )
    def test_a_store_that_is_none(self, address: str, sentence: str, tmp_path: Path) -> None:
        pytest.importorskip("pyarrow", reason="needs the pyarrow package (the extra ray)")
        (tmp_path / "list.txt").write_text(f"{address}\n")
        for text in (address, f"@{tmp_path / 'list.txt'}"):  # of a list not every picture's failure
            with pytest.raises(LsegError, match=f"{sentence}; check the address, the network, and the credentials"):
                find_images([text])

    @pytest.mark.slow
    def test_a_store_that_does_not_answer(self, bucket: Bucket) -> None:
        address = f"s3://{bucket.name}/a.png?endpoint_override=127.0.0.1:1&scheme=http"
        with pytest.raises(LsegError, match="Could not connect to server"):
            find_images([address])
        with pytest.raises(PictureError, match="Could not connect to server"):
            open_image(locate(address))

    def test_pyarrow_is_named_where_it_is_not_installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(MissingError, match=r"s3://bucket/in needs PyArrow, .* pip install 'lseg-cli\[ray\]'"):
            find_images(["s3://bucket/in"])
