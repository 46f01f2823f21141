"""The text tower of an exported model: a file beside it, known by the hash of the tower that the model names."""

from pathlib import Path

from lseg_cli.config import TextConfig
from lseg_cli.contract import TEXT_SHA256_KEY, TOKENIZER_KEY, TOWER_SUFFIX, GraphSpec
from lseg_cli.errors import LsegError
from lseg_engines.ort.header import read_metadata


def with_tower(spec: GraphSpec, path: Path) -> GraphSpec:
    """The specification with the file that embeds its labels, where one lies in the model's folder.

    Args:
        spec: of an exported model.
        path: of its file.
    """
    text = spec.model.text
    tower = find_tower(text, path) if text.kind == "open_clip" else None
    if tower is None:
        return spec
    found = text.model_copy(update={"weights": str(tower.absolute())})
    return spec.model_copy(update={"model": spec.model.model_copy(update={"text": found})})


def find_tower(text: TextConfig, path: Path) -> Path | None:
    """The tower of a model's file: NAME.text.onnx beside NAME.onnx, or another in the folder that has the hash."""
    beside = path.with_name(path.name.removesuffix(path.suffix) + TOWER_SUFFIX)
    others = sorted(path.parent.glob(f"*{TOWER_SUFFIX}")) if text.sha256 else []
    return next((each for each in (beside, *others) if each.is_file() and _fits(each, text)), None)


def _fits(tower: Path, text: TextConfig) -> bool:
    try:
        metadata = read_metadata(tower)
    except LsegError:
        return False
    return TOKENIZER_KEY in metadata and text.sha256 in ("", metadata.get(TEXT_SHA256_KEY))
