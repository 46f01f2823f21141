"""The areas of a mask as polygons in the raster's coordinates: GeoPackage or GeoJSON."""

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from lseg_cli.data.labels import LabelSet
from lseg_cli.errors import DataError

OUTLINES = {"geojson": ".geojson", "gpkg": ".gpkg"}  # format -> ending
_AT_ONCE = 10_000  # areas

Area = tuple[int, Mapping[str, Any]]  # mask value, polygon as in GeoJSON


def write_outlines(mask: Path, path: Path, labels: LabelSet) -> None:
    """Write the areas of a mask's GeoTIFF, each with id and label; pixels without data are in none.

    Args:
        mask: its file.
        path: ends in .geojson or .gpkg.
        labels: of the mask.

    Raises:
        DataError: it cannot be written.
    """
    import rasterio  # noqa: PLC0415  an extra

    with rasterio.open(mask) as dataset:
        crs, areas = dataset.crs, _areas(dataset, labels.ignore_id)
        names = {label.id: label.name for label in labels.labels}
        if path.suffix == OUTLINES["geojson"]:
            _write_geojson(path, areas, names, crs)
        else:
            _write_geopackage(path, areas, names, crs)


def _areas(dataset: Any, ignore: int) -> Iterator[Area]:
    from rasterio import band, features  # noqa: PLC0415  an extra

    for polygon, value in features.shapes(band(dataset, 1), connectivity=4, transform=dataset.transform):
        if int(value) != ignore:
            yield int(value), polygon


def _write_geojson(path: Path, areas: Iterator[Area], names: Mapping[int, str], crs: Any) -> None:
    """A feature a line. WGS 84 is the standard's; another CRS is named as GDAL and QGIS read it."""
    code = crs.to_epsg() if crs else None
    head: dict[str, Any] = {"type": "FeatureCollection"}
    if crs and code != 4326:
        name = f"urn:ogc:def:crs:EPSG::{code}" if code else crs.to_wkt()
        head["crs"] = {"type": "name", "properties": {"name": name}}
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps(head)[:-1] + ', "features": [')
        for number, (value, polygon) in enumerate(areas):
            facts = {"id": value, "label": names[value]}
            feature = {"type": "Feature", "properties": facts, "geometry": polygon}
            file.write((",\n" if number else "\n") + json.dumps(feature, ensure_ascii=False))
        file.write("\n]}\n")


def _write_geopackage(path: Path, areas: Iterator[Area], names: Mapping[int, str], crs: Any) -> None:
    from pyogrio.errors import DataSourceError  # noqa: PLC0415  an extra
    from pyogrio.raw import write  # noqa: PLC0415

    path.unlink(missing_ok=True)
    is_first = True
    while batch := list(islice(areas, _AT_ONCE)):
        values = [value for value, _ in batch]
        fields = [np.array(values, np.int32), np.array([names[value] for value in values], object)]
        geometry = np.array([_wkb(polygon["coordinates"]) for _, polygon in batch], object)
        try:
            write(
                path, geometry, fields, np.array(["id", "label"]), layer="areas", driver="GPKG",
                geometry_type="Polygon", crs=crs.to_wkt() if crs else None, append=not is_first,
            )  # fmt: skip
        except DataSourceError as error:
            raise DataError(f"{path} cannot be written: {error}.") from error
        is_first = False
    if is_first:
        raise DataError(f"{path} would hold no area: the mask has no pixel with a label.")


def _wkb(rings: Sequence[Sequence[Sequence[float]]]) -> bytes:
    """A polygon as well-known binary, little endian."""
    parts = [struct.pack("<BII", 1, 3, len(rings))]
    for ring in rings:
        parts += [struct.pack("<I", len(ring)), np.asarray(ring, "<f8").tobytes()]
    return b"".join(parts)
