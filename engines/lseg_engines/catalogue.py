"""What models there are: bundled, published (pulled or not), and presets to train."""

from typing import Any

from lseg_cli.config import PRESETS, ModelConfig
from lseg_cli.errors import LsegError
from lseg_cli.model.published.zoo import LICENCE, PUBLISHED, Published
from lseg_engines.bundled import BUNDLED
from lseg_engines.description import describe
from lseg_engines.opener import find_model

Row = dict[str, Any]
SHOWN = ("name", "kind", "encoder", "text_encoder", "trained_on", "miou", "state")  # of a row, where space is short


def list_models() -> list[Row]:
    """A row for each model; the same keys in all, every value fits into JSON."""
    bundled = _row(BUNDLED, "bundled", PRESETS[BUNDLED]) | {
        "trained_on": "CamVid, COCO",
        "state": "here",
        "file": str(find_model(BUNDLED)),
        "licence": "Apache-2.0",
    }
    published = [_published(each) for each in PUBLISHED.values()]
    presets = [_row(name, "preset", config) for name, config in PRESETS.items() if name != BUNDLED]
    return [bundled, *published, *presets]


def _row(name: str, kind: str, config: ModelConfig) -> Row:
    return {
        "name": name,
        "kind": kind,
        "encoder": config.encoder.name,
        "text_encoder": config.text.name.removesuffix("-quickgelu"),
        "trained_on": "-",
        "miou": "-",
        "state": f"lseg train -m {name}",
        "file": "",
        "licence": "",
        "variant": "",
        "drive_id": "",
        "origin": "",
    }


def _published(each: Published) -> Row:
    row = _row(each.name, "published", PRESETS[each.preset]) | {
        "trained_on": each.data,
        "miou": "-" if each.miou is None else each.miou,
        "state": f"lseg models pull {each.name}",
        "licence": LICENCE,
        "variant": each.variant,
        "drive_id": each.drive_id,
    }
    if not each.path.is_file():
        return row
    row |= {"state": "here", "file": str(each.path)}
    try:
        return row | {"origin": describe(each.path)["origin"]}
    except LsegError:
        return row | {"state": f"damaged: lseg models pull {each.name} --overwrite"}
