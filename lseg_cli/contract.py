"""What an engine is: tensors in, tensors out. It knows no files, labels or colours.

Core code takes *an* engine; only a command chooses which.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING, Literal, Protocol

from lseg_cli.config import SIZE_MULTIPLE, Frozen, ModelConfig

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Output = Literal["logits", "mask", "confidence"]


class GraphSpec(Frozen):
    """All that running needs to know; travels inside or beside the engine's file.

    Tensors: `image` uint8 (B, H, W, 3) RGB and `text` float32 (N, C) in; `logits` float32 (B, N, H, W), `mask` int32
    (B, H, W) of label indices and `confidence` float32 (B, H, W), the softmax of the winner, out.
    """

    model: ModelConfig
    model_sha256: str  # of the weights' file: part of every record of a run
    height_px: int | None = None  # None: any multiple of 32
    width_px: int | None = None
    max_batch: int | None = None  # None: no limit
    max_labels: int | None = None

    def input_size(self, height_px: int, width_px: int, long_side_px: int) -> tuple[int, int]:
        """The (height, width) at which a picture enters the network.

        The aspect is kept up to the next multiple of 32: nothing is padded, nothing cropped.

        Args:
            height_px: of the picture.
            width_px: of the picture.
            long_side_px: wanted length of its long side.
        """
        if self.height_px is not None and self.width_px is not None:
            return self.height_px, self.width_px
        scale = long_side_px / max(height_px, width_px)
        height, width = (max(1, round(side * scale / SIZE_MULTIPLE)) * SIZE_MULTIPLE for side in (height_px, width_px))
        return height, width


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
        """
        ...
