"""Rasters in, rasters out: same place, same labels as the picture's, nodata stays nodata, resumed by rows."""

import json
import subprocess
import sys
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from lseg_cli import extras
from lseg_cli.config import ModelConfig, TextConfig
from lseg_cli.contract import GraphSpec, Output
from lseg_cli.data.rasters import open_raster
from lseg_cli.errors import DataError, LsegError, MissingError
from lseg_cli.inference.segmenter import PixelOutputs
from lseg_cli.inference.tiling import segment_in_tiles
from lseg_cli.runs.map_job import StoppedError
from lseg_cli.runs.map_options import MapOptions
from lseg_cli.runs.maps import MapRun, open_maps
from tests.command_line import lseg

rasterio: Any = pytest.importorskip("rasterio")
pytest.importorskip("pyogrio")

HEIGHT_PX, WIDTH_PX, TILE_PX = 210, 150, 64
NAMES = ("sky", "road", "tree")


class ColourEngine:
    """Scores that depend on a pixel's colour alone."""

    device = "cpu"
    precision = "fp32"

    def __init__(self, config: ModelConfig) -> None:
        text = TextConfig(kind="words", name="words", width=192)
        self.spec = GraphSpec(model=config.model_copy(update={"text": text}), model_sha256="0" * 64)
        self.calls = 0

    def run(
        self, image: NDArray[np.uint8], text: NDArray[np.float32], outputs: Collection[Output]
    ) -> dict[str, NDArray[np.generic]]:
        self.calls += 1
        directions = np.eye(3, dtype=np.float32)[: len(text)]  # a colour for each of the labels
        return {"scores": np.einsum("bhwc,nc->bnhw", image[:, ::2, ::2].astype(np.float32) / 16, directions)}


@pytest.fixture
def engine(pyramid_config: ModelConfig) -> ColourEngine:
    return ColourEngine(pyramid_config)


def colours(seed: int = 0) -> NDArray[np.uint8]:
    """(3, H, W): patches of colour."""
    small = np.random.default_rng(seed).integers(0, 255, (7, 5, 3), np.uint8)
    grown = Image.fromarray(small).resize((WIDTH_PX, HEIGHT_PX), Image.Resampling.BICUBIC)
    chosen: NDArray[np.uint8] = np.array(grown).transpose(2, 0, 1)
    return chosen


def write(path: Path, values: NDArray[Any], colorinterp: str = "red green blue", **more: Any) -> Path:
    profile: dict[str, Any] = {
        "crs": "EPSG:32632", "transform": rasterio.Affine(0.5, 0, 600_000, 0, -0.5, 5_300_000), **more,
    }  # fmt: skip
    count, height, width = values.shape
    with rasterio.open(
        path, "w", driver="GTiff", height=height, width=width, count=count, dtype=values.dtype, **profile
    ) as dataset:
        dataset.colorinterp = [rasterio.enums.ColorInterp[name] for name in colorinterp.split()]
        dataset.write(values)
    return path


def options(path: Path, out: Path, **more: Any) -> MapOptions:
    values: dict[str, Any] = {"labels": "sky,road,tree", "tile": TILE_PX, "overlap": 16, "imgsz": TILE_PX, **more}
    return MapOptions(inputs=(str(path),), out=str(out), **values)


def carry_out(wanted: MapOptions, engine: ColourEngine) -> MapRun:
    with open_maps(wanted, lambda _: engine) as run:
        for job in run.jobs:
            if not job.is_done:
                assert len(list(job.run())) == job.windows
        run.record(0)
    return run


def read(path: Path) -> tuple[NDArray[Any], Any]:
    with rasterio.open(path) as dataset:
        facts = dataset.profile | {
            "colors": dataset.colormap(1) if dataset.count == 1 and "conf" not in path.name else {}
        }
        return dataset.read(), facts


def same_bytes(one: Path, other: Path, names: Collection[str]) -> Mapping[str, bool]:
    return {name: bool(np.array_equal(read(one / name)[0], read(other / name)[0])) for name in names}


def test_a_map_has_the_labels_of_the_picture_and_the_place_of_the_raster(tmp_path: Path, engine: ColourEngine) -> None:
    values = colours()
    source = write(tmp_path / "ortho.tif", values)
    run = carry_out(options(source, tmp_path / "out", save=("conf", "probs")), engine)
    mask, facts = read(tmp_path / "out" / "ortho.tif")
    assert facts["crs"].to_epsg() == 32632
    assert facts["transform"] == rasterio.Affine(0.5, 0, 600_000, 0, -0.5, 5_300_000)
    assert (facts["tiled"], facts["nodata"], facts["dtype"]) == (True, 255, "uint8")
    assert len({facts["colors"][number] for number in range(3)}) == 3
    work = run.jobs[0]._work
    segmenter = work.segmenter
    segmenter.outputs = PixelOutputs(3, probability=True)
    picture = segment_in_tiles(segmenter, work.tiling, Image.fromarray(values.transpose(1, 2, 0)))
    assert np.array_equal(mask[0], picture.index)
    assert picture.confidence is not None
    conf, conf_facts = read(tmp_path / "out" / "ortho.conf.tif")
    assert np.abs(conf[0] / 254 - picture.confidence).max() <= 0.5 / 254 + 1e-6
    assert conf_facts["nodata"] == 255
    probs, _ = read(tmp_path / "out" / "ortho.probs.tif")
    assert np.array_equal(probs.max(0), conf[0])
    assert np.abs(probs.astype(int).sum(0) - 254).max() <= 2
    counts = json.loads((tmp_path / "out" / "run.json").read_text())["maps"]["ortho"]["pixels"]
    assert counts == {name: int((mask == number).sum()) for number, name in enumerate(NAMES) if (mask == number).any()}


def test_what_is_no_data_stays_so_and_costs_nothing(tmp_path: Path, engine: ColourEngine) -> None:
    """By the file's tag, by a usual mark that no tag names, by transparency; tiles of nothing are not inferred."""
    values = colours().astype(np.int16) * 10
    values[:, :130] = -9999
    values[:, 190, 20] = -9999
    hole = (values == -9999).all(0)
    for name, nodata in (("tagged", -9999), ("marked", None)):
        source = write(tmp_path / f"{name}.tif", values, nodata=nodata)
        engine.calls = 0
        carry_out(options(source, tmp_path / name, save=("conf",), range=(0, 2550)), engine)
        mask = read(tmp_path / name / f"{name}.tif")[0][0]
        assert np.array_equal(mask == 255, hole)
        assert np.array_equal(read(tmp_path / name / f"{name}.conf.tif")[0][0] == 255, hole)
        assert engine.calls == 1 + 3 * 3  # of fifteen tiles the lower nine, and one of nothing
    alpha = np.where(hole, 0, 255).astype(np.uint8)[None]
    source = write(tmp_path / "alpha.tif", np.concatenate([colours(), alpha]), "red green blue alpha")
    carry_out(options(source, tmp_path / "alpha"), engine)
    assert np.array_equal(read(tmp_path / "alpha" / "alpha.tif")[0][0] == 255, hole)


def test_near_infrared_is_no_transparency_and_bands_can_be_chosen(tmp_path: Path, engine: ColourEngine) -> None:
    values = np.concatenate([colours(), colours(1)[:1]]).astype(np.uint16) * 12
    marked = write(tmp_path / "nir.tif", values, "red green blue alpha")
    with open_raster(str(marked)) as raster:
        assert (raster.facts.bands, raster.facts.alpha) == ((1, 2, 3), 0)
        assert raster.read(slice(0, 50), slice(0, 50))[1] is None
    unmarked = write(tmp_path / "plain.tif", values, "gray undefined undefined undefined")
    with pytest.raises(LsegError, match=r"4 bands that are not marked as red, green and blue.*--bands 3,2,1"):
        open_maps(options(unmarked, tmp_path / "out"), lambda _: engine)
    with pytest.raises(LsegError, match="has no band 5; it has 4"):
        open_maps(options(unmarked, tmp_path / "out", bands=(5, 2, 1)), lambda _: engine)
    with open_raster(str(unmarked), (4, 3, 2), (0, 3060)) as raster:
        rgb, _ = raster.read(slice(10, 40), slice(0, 60))
    expected = np.rint(values[[3, 2, 1], 10:40, :60] / 12)
    assert np.abs(rgb.transpose(2, 0, 1) - expected).max() <= 1


def test_a_stopped_run_goes_on_with_the_row_that_is_missing(tmp_path: Path, engine: ColourEngine) -> None:
    source = write(tmp_path / "ortho.tif", colours())
    wanted = options(source, tmp_path / "out", save=("conf",), formats=("geojson",))
    carry_out(replace(wanted, out=str(tmp_path / "whole")), engine)
    calls = iter([False] * 7 + [True] * 99)  # three windows a row: in the third of five
    with open_maps(wanted, lambda _: engine) as run, pytest.raises(StoppedError):
        list(run.jobs[0].run(lambda: next(calls)))
    assert not (tmp_path / "out" / "ortho.tif").exists()
    assert sorted(path.name for path in (tmp_path / "out" / ".ortho.parts").iterdir()) == [
        "00000.conf.tif", "00000.mask.tif", "00001.conf.tif", "00001.mask.tif", "state.json",
    ]  # fmt: skip
    engine.calls = 0
    carry_out(wanted, engine)
    assert engine.calls == 4 * 3  # the last row that is done once more, for its seam
    assert all(same_bytes(tmp_path / "out", tmp_path / "whole", ("ortho.tif", "ortho.conf.tif")).values())
    one, other = ((tmp_path / name / "ortho.geojson").read_bytes() for name in ("out", "whole"))
    assert one == other
    assert sorted(path.name for path in (tmp_path / "out").iterdir() if path.name != ".lock") == [
        "ortho.conf.tif", "ortho.geojson", "ortho.tif", "run.json",
    ]  # fmt: skip
    engine.calls = 0
    assert carry_out(wanted, engine).jobs[0].is_done
    assert engine.calls == 0


_KILLED = """
import sys, time
from lseg_cli.config import EncoderConfig, ModelConfig, TextConfig
from pathlib import Path
from tests.runs import test_maps

class Slow(test_maps.ColourEngine):
    def run(self, *arguments):
        if self.calls == 7:  # three windows a row: in the third
            print("killed here", flush=True)
            time.sleep(60)
        return super().run(*arguments)

config = ModelConfig.model_validate_json(sys.argv[1])
wanted = test_maps.options(Path(sys.argv[2]), Path(sys.argv[3]), save=("conf",))
test_maps.carry_out(wanted, Slow(config))
"""


def test_a_run_that_was_killed_goes_on_to_the_same_bytes(
    tmp_path: Path, engine: ColourEngine, pyramid_config: ModelConfig
) -> None:
    source = write(tmp_path / "ortho.tif", colours())
    arguments = [pyramid_config.model_dump_json(), str(source), str(tmp_path / "out")]
    with subprocess.Popen(
        [sys.executable, "-c", _KILLED, *arguments], cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "killed here\n"
        process.kill()
    parts = tmp_path / "out" / ".ortho.parts"
    assert {"00001.mask.tif", "00001.conf.tif"} < {path.name for path in parts.iterdir()}
    assert not (parts / "00002.mask.tif").exists()
    carry_out(options(source, tmp_path / "out", save=("conf",)), engine)
    assert engine.calls == 4 * 3  # the last row that is done once more, for its seam
    carry_out(options(source, tmp_path / "whole", save=("conf",)), engine)
    for name in ("ortho.tif", "ortho.conf.tif"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert not parts.exists()


def test_areas_have_the_coordinates_of_the_raster(tmp_path: Path, engine: ColourEngine) -> None:
    from pyogrio.raw import read as read_areas  # noqa: PLC0415  an extra

    values = colours()
    values[:, :40, :40] = 0
    source = write(tmp_path / "ortho.tif", values, nodata=0)
    run = carry_out(options(source, tmp_path / "out", formats=("gpkg", "geojson")), engine)
    features = json.loads((tmp_path / "out" / "ortho.geojson").read_text())
    assert features["crs"]["properties"]["name"] == "urn:ogc:def:crs:EPSG::32632"
    area = dict.fromkeys(NAMES, 0.0)
    for feature in features["features"]:
        for ring in feature["geometry"]["coordinates"]:
            x, y = np.array(ring).T
            area[feature["properties"]["label"]] -= float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1])) / 2
    for name, square_m in area.items():
        assert abs(square_m) == pytest.approx(run.jobs[0].pixels.get(name, 0) * 0.25)
    meta, _, geometry, fields = read_areas(tmp_path / "out" / "ortho.gpkg")
    assert "32632" in meta["crs"]
    assert len(geometry) == len(features["features"])
    assert sorted(fields[1]) == sorted(each["properties"]["label"] for each in features["features"])


def test_files_of_others_stay(tmp_path: Path, engine: ColourEngine) -> None:
    source = write(tmp_path / "ortho.tif", colours())
    out = tmp_path / "out"
    out.mkdir()
    mine = write(out / "ortho.tif", colours(1))
    before = mine.read_bytes()
    with pytest.raises(LsegError, match="is there, and no lseg map wrote it: take another -o"):
        open_maps(options(source, out, overwrite=True), lambda _: engine)
    assert mine.read_bytes() == before
    mine.unlink()
    carry_out(options(source, out), engine)
    with pytest.raises(LsegError, match=r"is of another run .*--overwrite replaces it"):
        open_maps(options(source, out, labels="sky,road"), lambda _: engine)
    carry_out(options(source, out, labels="sky,road", overwrite=True), engine)
    assert set(np.unique(read(out / "ortho.tif")[0])) == {0, 1}
    (out / "run.json").write_text('{"command": "segment"}')
    with pytest.raises(LsegError, match="holds the results of another command"):
        open_maps(options(source, out), lambda _: engine)


def test_what_cannot_be_read_is_one_sentence(tmp_path: Path, engine: ColourEngine) -> None:
    (tmp_path / "broken.tif").write_bytes(b"II*\0 and no more")
    with open_maps(options(tmp_path / "broken.tif", tmp_path / "out"), lambda _: engine) as run:
        assert run.jobs == []
        assert "broken.tif cannot be read as a raster" in run.failures[str(tmp_path / "broken.tif")]
    with pytest.raises(DataError, match="is not there"):
        open_maps(options(tmp_path / "none.tif", tmp_path / "out"), lambda _: engine)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no raster"):
        open_maps(options(tmp_path / "empty", tmp_path / "out"), lambda _: engine)


def test_rasterio_is_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda _name: None)
    with pytest.raises(MissingError, match=r"lseg map needs the package rasterio.*lseg-cli\[geo\]"):
        open_maps(options(tmp_path / "a.tif", tmp_path / "out"), lambda _: ColourEngine.__new__(ColourEngine))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [(("--bands", "4,3"), "--bands '4,3' is not valid"), (("--range", "9,3"), "--range '9,3' is not valid")],
)
def test_options_are_checked(arguments: tuple[str, str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert lseg("map", "a.tif", "-l", "sky", *arguments) == 2
    assert sentence in capsys.readouterr().err
