"""Fetching from a server that behaves well, breaks off, refuses, or answers with a page instead of the file."""

import contextlib
import http.server
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gdown
import pytest
import torch

from lseg_cli.errors import DataError, LsegError, MismatchError, MissingError
from lseg_cli.model.published import download, zoo
from lseg_cli.model.published.conversion import ConvertOptions
from lseg_cli.model.published.download import fetch, find_published, pull
from lseg_cli.model.published.lightning import read_checkpoint
from lseg_cli.model.published.zoo import PUBLISHED, Published

Official = Callable[..., dict[str, torch.Tensor]]
PART = 512 * 1024  # bytes: gdown's
DATA = bytes(range(256)) * 8192  # four of them
TINY = Published("tiny", "clip_tiny", "lseg-vitb32", "nothing", None, "some-id")


class Server(http.server.ThreadingHTTPServer):
    """Serves `data` at any path, and notes what was asked.

    `breaks_after`: bytes after which the first answer ends.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.data = DATA
        self.breaks_after: int | None = None
        self.status = 200
        self.knows_ranges = True
        self.ranges: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/demo_e200.ckpt"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, wanted = self.server, self.headers.get("Range")
        server.ranges.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and server.knows_ranges else 0
        self.send_response(server.status if server.status != 200 else 206 if start else 200)
        body = server.data[start:]
        self.send_header("Content-Length", str(len(body)))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(server.data) - 1}/{len(server.data)}")
        self.end_headers()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the client asks again, with a range
            self.wfile.write(body if server.breaks_after is None else body[: server.breaks_after])

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    """On this machine; the cache is empty, and nothing is tried twice."""
    monkeypatch.setenv("LSEG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(download, "RETRIES", 0)
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def silent(_done: int, _total: int | None) -> None: ...


def serve_checkpoint(server: Server, state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    torch.save({"state_dict": state}, tmp_path / "served.ckpt")
    server.data = (tmp_path / "served.ckpt").read_bytes()


def test_a_file_is_fetched_and_progress_is_told(server: Server, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    fetch(TINY, server.url, tmp_path / "a.ckpt", lambda *figures: told.append(figures))
    assert (tmp_path / "a.ckpt").read_bytes() == DATA
    assert told[-1] == (len(DATA), len(DATA))
    assert [done for done, _ in told] == sorted({done for done, _ in told})


def test_a_transfer_that_broke_off_is_gone_on_with(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    server.breaks_after = 2 * PART + 1000
    with pytest.raises(DataError, match="run the command again, and it goes on where it stopped"):
        fetch(TINY, server.url, path, silent)
    assert not path.exists()
    server.breaks_after = None
    told: list[int] = []
    fetch(TINY, server.url, path, lambda done, _: told.append(done))
    assert path.read_bytes() == DATA
    assert server.ranges[-1] == f"bytes={2 * PART}-"  # what had come in whole parts
    assert told[0] > 2 * PART
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["a.ckpt"]


def test_a_transfer_goes_on_by_itself(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "RETRIES", 3)
    monkeypatch.setattr(random, "uniform", lambda *_: 0.0)  # seconds that gdown waits
    server.breaks_after = PART + 1000
    fetch(TINY, server.url, tmp_path / "a.ckpt", silent)
    assert (tmp_path / "a.ckpt").read_bytes() == DATA
    assert server.ranges == [None, *(f"bytes={count * PART}-" for count in (1, 2, 3))]


def test_a_server_that_cannot_go_on_is_told(server: Server, tmp_path: Path) -> None:
    server.breaks_after = 1_000_000
    with pytest.raises(DataError):
        fetch(TINY, server.url, tmp_path / "a.ckpt", silent)
    server.breaks_after, server.knows_ranges = None, False
    with pytest.raises(DataError, match="Server did not honor the requested byte range"):
        fetch(TINY, server.url, tmp_path / "a.ckpt", silent)


@pytest.mark.parametrize("status", [403, 404, 503])
def test_a_server_that_refuses_is_told(server: Server, tmp_path: Path, status: int) -> None:
    server.status = status
    with pytest.raises(MissingError, match=f"cannot be fetched .{status}") as caught:
        fetch(TINY, server.url, tmp_path / "a.ckpt", silent)
    assert "lseg models pull tiny --url FILE" in str(caught.value)


def test_no_server_is_told(server: Server, tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="check the network, or"):
        fetch(TINY, "http://127.0.0.1:9/a.ckpt", tmp_path / "a.ckpt", silent)


def test_drive_that_refuses_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**options: Any) -> None:
        assert options["id"] == "some-id"
        raise gdown.FileURLRetrievalError("Cannot retrieve the public link of the file.\n\tToo many users")

    monkeypatch.setattr(gdown, "download", refuse)
    with pytest.raises(MissingError, match="Google Drive does not give tiny to programs just now") as caught:
        fetch(TINY, "", tmp_path / "a.ckpt", silent)
    assert "https://drive.google.com/file/d/some-id with a browser" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_gdown_the_way_to_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "gdown", None)
    with pytest.raises(MissingError, match=r"pip install 'lseg-cli\[pull\]'"):
        fetch(TINY, "", tmp_path / "a.ckpt", silent)


def test_offline_nothing_is_asked(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(MissingError, match="with --offline or HF_HUB_OFFLINE"):
        fetch(TINY, server.url, tmp_path / "a.ckpt", silent)
    assert server.ranges == []


def test_a_cache_that_cannot_be_written_is_told(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LsegError, match="set LSEG_CACHE to a folder"):
        fetch(TINY, server.url, tmp_path / "file" / "a.ckpt", silent)


def test_what_was_pulled_is_kept_under_its_name(server: Server, official: Official, tmp_path: Path) -> None:
    serve_checkpoint(server, official(), tmp_path)
    result = pull(TINY, server.url, ConvertOptions(), silent)
    assert result.config.name == "tiny"
    assert TINY.path.is_file()
    assert [file.name for file in zoo.model_folder().iterdir()] == ["tiny.safetensors"]


def test_a_file_that_a_browser_fetched_is_taken(server: Server, official: Official, tmp_path: Path) -> None:
    serve_checkpoint(server, official(), tmp_path)
    file = tmp_path / "served.ckpt"
    assert pull(TINY, str(file), ConvertOptions(), silent).config.name == "tiny"
    assert read_checkpoint(file).state  # it stays
    assert server.ranges == []


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"<!DOCTYPE html><title>Google Drive - Quota exceeded</title>", "is a web page"), (b"PK\x03\x04", "is cut off")],
)
def test_what_is_no_checkpoint_is_told_and_not_kept(server: Server, data: bytes, said: str) -> None:
    server.data = data
    with pytest.raises(DataError, match=f"{said}.*It came from http://127"):
        pull(TINY, server.url, ConvertOptions(), silent)
    assert list(zoo.model_folder().iterdir()) == []


def test_another_model_is_told_and_not_kept(server: Server, official: Official, tmp_path: Path) -> None:
    serve_checkpoint(server, official(), tmp_path)
    with pytest.raises(MismatchError, match="What came is a clip_tiny, but demo is a clip_vitl16_384"):
        pull(PUBLISHED["demo"], server.url, ConvertOptions(), silent)
    assert list(zoo.model_folder().iterdir()) == []


def test_unknown_names_are_told() -> None:
    with pytest.raises(LsegError, match="no published model 'demoo'; there are demo, pascal-fold0"):
        find_published("demoo")
