"""The model that is to be exported, and whether what is asked for fits it: read from its header, in milliseconds."""

from pathlib import Path

from lseg_cli.config import PRESETS
from lseg_cli.errors import LsegError, MismatchError
from lseg_cli.model.header import read_model_config
from lseg_cli.model.published.zoo import PUBLISHED
from lseg_engines.bundled import BUNDLED
from lseg_engines.opener import find_model, kind_of


def find_source(model: str) -> Path:
    """The `.safetensors` file of a model's name or path.

    Raises:
        LsegError: there is no such model, or it is the name of one that is still to be trained.
        MismatchError: the file is exported already.
        MissingError: a published model that was not pulled.
    """
    if model in PRESETS and model != BUNDLED and model not in PUBLISHED and not Path(model).is_file():
        raise LsegError(
            f"{model} is a preset to train (lseg train -m {model}), not a model; give the .safetensors file of a "
            "trained one."
        )
    path = find_model(model)
    kind = kind_of(path)
    if kind == "onnx":
        raise MismatchError(
            f"{path} is exported already; build a TensorRT engine of it with lseg build, or export the .safetensors "
            "model that it was made from."
        )
    if kind == "engine":
        raise MismatchError(f"{path} is a TensorRT engine; export the .safetensors model that it was made from.")
    return path


def wants_text_encoder(source: Path, wanted: bool | None) -> bool:
    """Whether the text tower of a model is to be written.

    Args:
        source: the `.safetensors` model.
        wanted: as the user said; None: if it has one.

    Raises:
        LsegError: it is wanted and there is none.
    """
    kind = read_model_config(source).text.kind
    if kind == "open_clip":
        return wanted is not False
    if wanted:
        what = "a table of words" if kind == "words" else "learned class vectors"
        raise LsegError(
            f"The model's text encoder is {what}, not a network: there is nothing to export. Omit "
            "--with-text-encoder, and embed labels with `lseg`."
        )
    return False


def usual_size(source: Path) -> tuple[int, int]:
    """The height and width of pictures that an engine of one size is built for by default."""
    side = read_model_config(source).image.long_side_px
    return side, side
