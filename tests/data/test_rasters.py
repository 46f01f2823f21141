"""Rasters of every kind give the same pixels, from the net as from the disk."""

import re
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lseg_cli.data.rasters import find_rasters, is_remote, open_raster

rasterio: Any = pytest.importorskip("rasterio")

SIDE_PX = 512
WINDOW = slice(100, 140), slice(300, 360)


class RangeHandler(SimpleHTTPRequestHandler):
    """A server that gives parts of files, as object stores do; it counts what it gave."""

    folder: Path
    given_bytes = 0

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, with_body: bool) -> None:
        path = self.folder / self.path.partition("?")[0].lstrip("/")
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        first, last = (int(found[1]), min(int(found[2] or len(data)), len(data) - 1)) if found else (0, len(data) - 1)
        self.send_response(206 if found else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last - first + 1))
        if found:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.end_headers()
        if with_body:
            type(self).given_bytes += last - first + 1
            self.wfile.write(data[first : last + 1])


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of the test's folder."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(RangeHandler, "folder", tmp_path, raising=False)
    monkeypatch.setattr(RangeHandler, "given_bytes", 0)
    with ThreadingHTTPServer(("127.0.0.1", 0), RangeHandler) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()


@pytest.fixture
def ortho(tmp_path: Path) -> Path:
    """Noise, which no compression makes small."""
    values = np.random.default_rng(0).integers(1, 256, (3, SIDE_PX, SIDE_PX), np.uint8)
    path = tmp_path / "ortho.tif"
    with rasterio.open(
        path, "w", driver="GTiff", height=SIDE_PX, width=SIDE_PX, count=3, dtype="uint8", photometric="rgb", tiled=True,
        blockxsize=128, blockysize=128, crs="EPSG:32632", transform=rasterio.Affine(0.5, 0, 6e5, 0, -0.5, 5.3e6),
    ) as dataset:  # fmt: skip
        dataset.write(values)
    return path


def window_of(source: str, bands: tuple[int, ...] = ()) -> tuple[NDArray[np.uint8], str]:
    with open_raster(source, bands) as raster:
        assert raster.facts.bands == (1, 2, 3)
        return raster.read(*WINDOW)[0], raster.facts.crs


@pytest.mark.parametrize(
    ("name", "driver", "options"),
    [
        ("a.jp2", "JP2OpenJPEG", {"QUALITY": "100", "REVERSIBLE": "YES"}),
        ("a.vrt", "VRT", {}),
        ("cog.tif", "COG", {"COMPRESS": "DEFLATE"}),
        ("a.img", "HFA", {}),
    ],
)
def test_every_kind_of_file_gives_the_same(name: str, driver: str, options: dict[str, str], ortho: Path) -> None:
    import rasterio.shutil  # noqa: PLC0415  an extra

    path = ortho.with_name(name)
    rasterio.shutil.copy(ortho, path, driver=driver, **options)
    assert str(path) in find_rasters([str(ortho.parent)])
    pixels, crs = window_of(str(path), (1, 2, 3) if driver == "HFA" else ())  # which names no colours
    expected, place = window_of(str(ortho))
    assert np.array_equal(pixels, expected)
    assert crs == place == "EPSG:32632"


def test_of_a_raster_of_the_net_only_windows_are_fetched(ortho: Path, server: str) -> None:
    big = ortho.with_name("big.tif")
    big.write_bytes(ortho.read_bytes() + bytes(40_000_000))  # which a reader of the whole would fetch
    expected = window_of(str(ortho))[0]
    for address in (f"{server}/big.tif", f"/vsicurl/{server}/big.tif?again"):
        assert is_remote(address)
        assert find_rasters([address]) == [address]
        assert np.array_equal(window_of(address)[0], expected)
        assert 0 < RangeHandler.given_bytes < 20_000_000
