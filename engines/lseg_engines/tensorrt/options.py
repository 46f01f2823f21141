"""What a TensorRT engine is asked to be. Imports next to nothing, for the command line reads its defaults first."""

from dataclasses import dataclass
from typing import Literal

USUAL_LABELS = 32


@dataclass(frozen=True)
class BuildOptions:
    """What kind of engine is wanted.

    Attributes:
        flavour: 'trt' or 'rtx'.
        max_batch: most pictures at once.
        max_labels: most labels at once.
        opt_batch: number of pictures that the engine is tuned for; None: one.
        opt_labels: number of labels that the engine is tuned for; None: 32, or fewer if it takes no more.
        max_side_px: longest side of a picture, for a graph of any size; None: the length the model was trained for.
        workspace_gib: most memory that a layer may take for itself; None: as TensorRT decides.
        opt_level: how long to search for fast kernels, 0 to 5; None: as TensorRT decides.
        timing_cache: file of timings to take and to add to (TensorRT only).
        sm: compute capabilities to build for, such as 86 and 89 (TensorRT-RTX only); none: all from Ampere on.
        is_tf32: products of float32 numbers may be rounded to ten bits.
        is_version_compatible: later versions run the engine as well (TensorRT only).
        is_hardware_compatible: every GPU from Ampere on runs the engine (TensorRT only).
    """

    flavour: Literal["trt", "rtx"]
    max_batch: int = 4
    max_labels: int = 256
    opt_batch: int | None = None
    opt_labels: int | None = None
    max_side_px: int | None = None
    workspace_gib: float | None = None
    opt_level: int | None = None
    timing_cache: str | None = None
    sm: tuple[int, ...] = ()
    is_tf32: bool = False
    is_version_compatible: bool = False
    is_hardware_compatible: bool = False

    @property
    def batches(self) -> tuple[int, int, int]:
        """The least, the tuned and the largest number of pictures."""
        return 1, 1 if self.opt_batch is None else self.opt_batch, self.max_batch

    @property
    def labels(self) -> tuple[int, int, int]:
        """The least, the tuned and the largest number of labels."""
        usual = min(USUAL_LABELS, self.max_labels)
        return 1, usual if self.opt_labels is None else self.opt_labels, self.max_labels
