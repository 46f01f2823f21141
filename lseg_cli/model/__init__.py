"""The paper, one idea per file.

Letters of shapes, everywhere: B batch, N labels, C width of the embedding space, H W pixels of the network's input,
h w cells of a smaller grid, D width of the tokens, T their number.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lseg_cli.model.lseg import LSeg


def load(path: Path | str) -> "LSeg":
    """A ready model in evaluation mode from one `.safetensors` file that carries its configuration.

    Raises:
        MismatchError: the file is not a model of this tool, or its tensors do not fit its configuration.
        DataError: the file cannot be read.
    """
    from lseg_cli.model.checkpoint import load_model  # noqa: PLC0415  torch stays out of `import lseg_cli.model`

    return load_model(Path(path))
