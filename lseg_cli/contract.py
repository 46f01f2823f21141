"""What an engine is: tensors in, tensors out. It knows no files, labels or colours.

Core code takes *an* engine; only a command chooses which.
"""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from pydantic import ValidationError

from lseg_cli.config import SIZE_MULTIPLE, Frozen, ModelConfig
from lseg_cli.errors import MismatchError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Output = Literal["logits", "mask", "confidence", "scores", "features"]
SCORES: tuple[Output, ...] = ("scores",)  # all that segmenting asks for
FEATURES: tuple[Output, ...] = ("features",)  # all that embedding asks for
OUTPUTS: tuple[Output, ...] = ("logits", "mask", "confidence", "scores", "features")

METADATA_PREFIX = "lseg."  # of every key that this tool writes into a file
CONFIG_KEY = METADATA_PREFIX + "config"  # in a .safetensors model: its ModelConfig as JSON
TOWER_KEY = METADATA_PREFIX + "tower"  # in a .safetensors model that brings its text encoder: the encoder's hash
SPEC_KEY = METADATA_PREFIX + "spec"
TEXT_SHA256_KEY = METADATA_PREFIX + "text_sha256"  # in an exported text tower: the tower's hash
TOKENIZER_KEY = METADATA_PREFIX + "tokenizer"  # in an exported text tower: its `TokenizerData` as JSON
TOWER_SUFFIX = ".text.onnx"  # of a tower's file; the model's lies beside it as NAME.onnx or NAME.engine
PRECISION_KEY = METADATA_PREFIX + "precision"  # of the graph: a property of the file, not of the model


class GraphSpec(Frozen):
    """All that running needs to know; travels inside or beside the engine's file.

    Tensors: `image` uint8 (B, H, W, 3) RGB and `text` float32 (N, C) in; `logits` float32 (B, N, H, W), `mask` int32
    (B, H, W) of label indices, `confidence` float32 (B, H, W), the softmax of the winner, `scores` float32
    (B, N, H / 2, W / 2), the logits before the last upsampling, in a quarter of the memory, and `features` float16
    (B, C, H / 4, W / 4), the pixels' side of the scores, the largest of a picture 1, out.
    """

    model: ModelConfig
    model_sha256: str  # of the weights' file: part of every record of a run
    height_px: int | None = None  # None: any multiple of 32
    width_px: int | None = None
    max_batch: int | None = None  # None: no limit
    max_labels: int | None = None
    outputs: tuple[Output, ...] = OUTPUTS
    kernel: tuple[float, ...] = ()  # of the regulariser: 9 weights, 1 bias; none without it. Travels with embeddings

    def input_size(self, height_px: int, width_px: int, long_side_px: int) -> tuple[int, int]:
        """The (height, width) at which a picture enters the network: the aspect is kept up to the next multiple of 32.

        For a graph of one fixed size it is the largest that fits in; see `lseg_cli.inference.frame`.

        Args:
            height_px: of the picture.
            width_px: of the picture.
            long_side_px: wanted length of its long side; of no account for a fixed size.
        """
        most = (self.height_px, self.width_px)
        scale = long_side_px / max(height_px, width_px)
        if self.height_px is not None and self.width_px is not None:
            scale = min(self.height_px / height_px, self.width_px / width_px)
        sides = [max(1, round(side * scale / SIZE_MULTIPLE)) * SIZE_MULTIPLE for side in (height_px, width_px)]
        height, width = (min(side, limit or side) for side, limit in zip(sides, most, strict=True))
        return height, width

    def check(
        self,
        image: "NDArray[np.uint8] | NDArray[np.float32]",
        text: "NDArray[np.float32]",
        dtype: Literal["uint8", "float32"] = "uint8",
    ) -> None:
        """Whether tensors can be run; `dtype` is that of the picture.

        Raises:
            MismatchError: a type, shape, width or count that the graph does not take.
        """
        shape, count = image.shape, len(text)
        if image.dtype.name != dtype or image.ndim != 4 or shape[3] != 3 or shape[0] == 0:
            raise MismatchError(f"The image is {image.dtype} {shape}; it must be {dtype} (B, H, W, 3) RGB.")
        if min(shape[1:3]) < SIZE_MULTIPLE or any(side % SIZE_MULTIPLE for side in shape[1:3]):
            raise MismatchError(
                f"The image is {shape[1]} x {shape[2]} pixels; both sides must be multiples of {SIZE_MULTIPLE}."
            )
        if shape[1] != (self.height_px or shape[1]) or shape[2] != (self.width_px or shape[2]):
            raise MismatchError(
                f"The image is {shape[1]} x {shape[2]} pixels; this engine takes {self.height_px} x {self.width_px}."
            )
        width = self.model.text.width
        if text.dtype.name != "float32" or text.ndim != 2 or text.shape[1] != width or count == 0:
            raise MismatchError(
                f"The text is {text.dtype} {text.shape}; it must be float32 (N, {width}), N at least 1."
            )
        if shape[0] > (self.max_batch or shape[0]) or count > (self.max_labels or count):
            raise MismatchError(
                f"There are {shape[0]} pictures and {count} labels at once; this engine takes at most "
                f"{self.max_batch or 'any number of'} pictures and {self.max_labels or 'any number of'} labels."
            )

    def to_metadata(self) -> dict[str, str]:
        """Keys and values that an engine's file carries."""
        return {SPEC_KEY: self.model_dump_json()}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], origin: str) -> "GraphSpec":
        """The specification that a file carries; `origin` names it in the error.

        Raises:
            MismatchError: there is none, or another version of this tool wrote it.
        """
        if SPEC_KEY not in metadata:
            raise MismatchError(f"{origin} does not say what it is: `lseg export` did not write it.")
        try:
            return cls.model_validate_json(metadata[SPEC_KEY])
        except ValidationError as error:
            raise MismatchError(f"{origin} was written by another version of this tool; export it again.") from error


class Engine(Protocol):
    """Opened from a file alone; building one is another function in another file."""

    spec: GraphSpec
    device: str  # such as 'cpu' or 'cuda:0'
    precision: str  # 'fp32', 'fp16' or 'bf16'

    def run(
        self, image: "NDArray[np.uint8]", text: "NDArray[np.float32]", outputs: Collection[Output]
    ) -> "dict[str, NDArray[np.generic]]":
        """Only what `outputs` names is computed and brought back; shapes as in GraphSpec.

        Raises:
            MismatchError: a shape, width or count that the engine does not take.
            MemoryFullError: the device's memory is full; a smaller batch may do.
        """
        ...


@runtime_checkable
class FloatEngine(Protocol):
    """What an engine can that takes pictures between whole numbers, as resizing makes them."""

    def run_float(
        self, image: "NDArray[np.float32]", text: "NDArray[np.float32]", outputs: Collection[Output]
    ) -> "dict[str, NDArray[np.generic]]":
        """As `Engine.run`, of float32 (B, H, W, 3) RGB of 0 to 255."""
        ...
