"""The dense embedding of a picture as a file: encode once, ask for any labels later, or take it elsewhere.

Two forms. At stride 4 the features are as the decoder gives them, before its last upsampling and before unit length:
from these `relabel` computes what `segment` does, in a quarter of the space. At stride 2 it is the embedding of the
paper, every cell of unit length along C: what OpenScene, VLMaps and others take. Both in float16.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import safe_open

from lseg_cli import __version__
from lseg_cli.config import Frozen, ModelConfig
from lseg_cli.contract import FEATURES, METADATA_PREFIX, Engine, GraphSpec
from lseg_cli.errors import DataError, LsegError, MismatchError
from lseg_cli.files import atomic, open_regular, read_regular
from lseg_cli.inference.frame import Frame
from lseg_cli.inference.interpolation import Floats, upsample2
from lseg_cli.inference.no_data import Valid, packed, unpacked
from lseg_cli.reading import reading

INFO_KEY = METADATA_PREFIX + "embedding"
TENSOR = "embedding"
FORMATS = ("safetensors", "npy")
_COMPLAINT = "is not a whole embedding that lseg wrote"
_MAX_INFO = 10_000_000  # bytes
STRIDES = (2, 4)
GEOMETRY = (
    "The array is (C, h, w) with h x w = network_px / stride. It was sampled with align_corners=True: cell (i, j) lies "
    "at network pixel (i * (H - 1) / (h - 1), j * (W - 1) / (w - 1)), H x W = network_px. The network's input is the "
    "whole picture (EXIF applied) resized to H x W, nothing padded or cropped: network pixel (y, x) lies at picture "
    "pixel ((y + 0.5) * picture_px[0] / H - 0.5, (x + 0.5) * picture_px[1] / W - 0.5)."
)

_TINY = np.float32(1e-20)  # below any real length

Half = NDArray[np.float16]


class EmbeddingInfo(Frozen):
    """What travels with an embedding."""

    source: str = ""  # the picture's path as it was given
    picture_px: tuple[int, int]  # height and width
    network_px: tuple[int, int]  # height and width of the network's input
    stride: Literal[2, 4]
    unit_length: bool  # along C; else scaled by one positive number for the whole picture
    geometry: str = GEOMETRY
    model: ModelConfig
    model_sha256: str
    model_file: str = ""
    kernel: tuple[float, ...] = ()  # of the regulariser: 9 weights, 1 bias; none without it
    written_by: str = f"lseg {__version__}"
    no_data: str = ""  # which pixels of the picture hold none, as `lseg_cli.inference.no_data` packs them; '': all do

    @property
    def valid(self) -> Valid:
        """(H, W), False where the picture holds no data; None: it does everywhere. Raises DataError as `unpacked`."""
        return unpacked(self.no_data, self.picture_px)

    def as_json(self, indent: int | None = None) -> str:
        """What stands in the file; without `no_data` where there is nothing to say, as earlier versions read it."""
        return self.model_dump_json(indent=indent, exclude=None if self.no_data else {"no_data"})


@dataclass(frozen=True)
class Embedding:
    """A picture's embedding.

    Attributes:
        array: (C, h, w) float16.
        info: what it is.
    """

    array: Half
    info: EmbeddingInfo


def check_stride(stride: int) -> Literal[2, 4]:
    """Raises LsegError unless it is 2 or 4."""
    if stride == 2:
        return 2
    if stride == 4:
        return 4
    raise LsegError(f"--stride {stride} cannot be given; choose 4 (compact, exact) or 2 (the paper's, unit length).")


def check_format(name: str) -> str:
    """Raises LsegError unless it is one of `FORMATS`."""
    if name not in FORMATS:
        raise LsegError(f"--format {name} is not known; choose {' or '.join(FORMATS)}.")
    return name


def encode(
    engine: Engine,
    image: NDArray[np.uint8],
    picture_px: tuple[int, int],
    stride: int = 4,
    source: str = "",
    frame: Frame | None = None,
) -> Embedding:
    """The embedding of a picture.

    Args:
        engine: one that gives features.
        image: (1, H, W, 3) at the network's size.
        picture_px: height and width of the picture it was made of.
        stride: 2 or 4.
        source: the picture's path.
        frame: where the picture lies in `image`; None: everywhere.

    Raises:
        LsegError: another stride.
        MismatchError: an engine that an earlier version exported, which gives masks only.
        DataError: the answer is not a number.
        MemoryFullError: the device's memory is full.
    """
    (features,) = features_of(as_encoder(engine), image, stride)
    if frame is not None:
        features = frame.crop(features, stride)
    return as_embedding(engine, features, picture_px, check_stride(stride), source)


def features_of(engine: Engine, images: NDArray[np.uint8], stride: int) -> list[Half]:
    """The embeddings of pictures of one shape, (B, H, W, 3) uint8 -> B times (C, H / stride, W / stride).

    Raises:
        LsegError: another stride than 2 or 4.
        MemoryFullError: the device's memory is full.
    """
    kind = check_stride(stride)
    any_label = np.ones((1, engine.spec.model.text.width), np.float32)  # no feature depends on it
    found = engine.run(images, any_label, FEATURES)["features"].astype(np.float16, copy=False)
    return [unit_upsample(each.astype(np.float32)) if kind == 2 else each for each in found]


def unit_upsample(features: Floats) -> Half:
    """The dense embedding as the paper defines it: (C, h, w) -> (C, 2h, 2w), unit length along C."""
    embedding = upsample2(features)
    embedding /= np.maximum(np.linalg.norm(embedding, axis=0), _TINY)
    return embedding.astype(np.float16)


def as_embedding(
    engine: Engine,
    features: Half,
    picture_px: tuple[int, int],
    stride: Literal[2, 4] = 4,
    source: str = "",
    valid: Valid = None,
) -> Embedding:
    """Features with all that travels with them.

    Args:
        engine: that gave them.
        features: (C, h, w) of a picture.
        picture_px: as in `encode`.
        stride: of the features.
        source: as in `encode`.
        valid: (H, W) of the picture, False where it holds no data; None: it does everywhere.

    Raises:
        DataError: they are not numbers.
    """
    if not np.isfinite(features).all():
        raise DataError("The network's answer is not a number; try --precision fp32.")
    info = EmbeddingInfo(
        source=source,
        picture_px=picture_px,
        network_px=(features.shape[1] * stride, features.shape[2] * stride),
        stride=stride,
        unit_length=stride == 2,
        model=engine.spec.model,
        model_sha256=engine.spec.model_sha256,
        model_file=engine.spec.model.text.weights,
        kernel=engine.spec.kernel,
        no_data=packed(valid),
    )
    return Embedding(np.ascontiguousarray(features), info)


def as_encoder(engine: Engine) -> Engine:
    """The engine, if it gives features.

    Raises:
        MismatchError: it does not.
    """
    require_features(engine.spec)
    return engine


def require_features(spec: GraphSpec) -> None:
    """Whether the engine of a model gives features.

    Raises:
        MismatchError: it does not.
    """
    if "features" not in spec.outputs:
        raise MismatchError("The engine gives no 'features': an earlier version exported it; export it again.")


def write_embedding(embedding: Embedding, path: Path) -> None:
    """Writes a `.safetensors` file, or an `.npy` with what it is beside it as `.json`; each appears whole.

    Raises:
        DataError: it cannot be written.
        LsegError: the disk is full or read-only.
    """
    if path.suffix == ".safetensors":
        with atomic(path) as draft:
            write_tensor(draft, embedding)
        return
    with atomic(path.with_suffix(".json")) as draft:
        draft.write_text(embedding.info.as_json(indent=2), encoding="utf-8")
    with atomic(path) as draft, draft.open("wb") as file:
        np.save(file, np.ascontiguousarray(embedding.array))


def write_tensor(path: Path, embedding: Embedding) -> None:
    """A `.safetensors` file, whatever it is called."""
    array = np.ascontiguousarray(embedding.array)  # safetensors takes memory as it lies
    info = {INFO_KEY: embedding.info.as_json()}  # alone: several keys come in any order, the same never twice
    path.write_bytes(safetensors.numpy.save({TENSOR: array}, info))


def read_embedding(path: Path) -> Embedding:
    """An embedding from a file that `write_embedding` wrote.

    Raises:
        DataError: it cannot be read, or is not an embedding.
    """
    info = read_info(path)
    with reading(path, _COMPLAINT, DataError):
        if path.suffix == ".npy":
            array = np.load(path, allow_pickle=False)
        else:
            with safe_open(path, framework="np") as file:
                array = file.get_tensor(TENSOR)
    expected = (info.model.text.width, *(side // info.stride for side in info.network_px))
    if array.shape != expected or array.dtype != np.float16:
        raise DataError(f"{path} holds {array.dtype} {array.shape}, but says that it is float16 {expected}.")
    return Embedding(array, info)


def read_info(path: Path) -> EmbeddingInfo:
    """What an embedding is, without the embedding.

    Raises:
        DataError: it cannot be read, or is not an embedding.
    """
    with reading(path, _COMPLAINT, DataError):
        open_regular(path).close()
        if path.suffix == ".npy":
            beside = path.with_suffix(".json")
            if not beside.exists():
                raise DataError(f"{path} is not a whole embedding: {beside.name}, which says what it is, is missing.")
            info = EmbeddingInfo.model_validate_json(read_regular(beside, _MAX_INFO))
        else:
            with safe_open(path, framework="np") as file:
                info = EmbeddingInfo.model_validate_json((file.metadata() or {})[INFO_KEY])
        return info.model_copy(update={"model": info.model.found_in(path)})


def find_embeddings(inputs: tuple[str, ...]) -> list[tuple[Path, str]]:
    """Embeddings among files and folders: each with its name in the output, without extension, mirrored.

    Raises:
        LsegError: a path that is not there.
        DataError: there is none.
    """
    found: dict[str, Path] = {}
    for text in inputs:
        path = Path(text)
        if not path.exists():
            raise LsegError(f"There is no file or folder {text!r}; give what lseg embed wrote.")
        inner = path / "embeddings"
        root = path.parent if path.is_file() else inner if inner.is_dir() else path
        files = [path] if path.is_file() else sorted(each for each in root.rglob("*") if each.suffix[1:] in FORMATS)
        for file in files:
            name = file.relative_to(root).with_suffix("").as_posix()
            if name in found and found[name] != file:
                raise LsegError(f"{found[name]} and {file} would have one name in the output; give one of them.")
            found[name] = file
    if not found:
        raise DataError(
            f"There is no embedding in {', '.join(inputs)}; lseg embed writes them, and segment --save embeddings."
        )
    return [(path, name) for name, path in found.items()]
