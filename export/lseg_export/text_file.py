"""The text tower as an ONNX file of its own: token ids in, label embeddings out, for programs without PyTorch.

The tokenizer's table lies in the file's metadata as `lseg.tokenizer`: `lseg_cli.model.text.tokenizer` reads it, and
every language has a tokenizer for CLIP.
"""

from pathlib import Path
from typing import cast

import onnx
import torch
from torch import Tensor, nn

from lseg_cli.config import TextConfig
from lseg_cli.contract import TEXT_SHA256_KEY, TOKENIZER_KEY
from lseg_cli.errors import LsegError
from lseg_cli.model.text.clip import ClipTextEncoder
from lseg_cli.model.text.tokenizer import TokenizerData
from lseg_export.lint import Dims, check_graph, free_primes
from lseg_export.onnx_file import run_exporter, save_graph, tidy


class _TextGraph(nn.Module):
    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, L) int64 -> (N, C), unit length."""
        embeddings: Tensor = self.tower.encode_text(tokens, normalize=True)  # type: ignore[operator]  # open_clip's
        return embeddings


def export_text(config: TextConfig, path: Path, opset: int) -> ClipTextEncoder:
    """Writes a text tower: `tokens` int64 [N, L] in, `embeddings` float32 [N, C] out, of length 1.

    Args:
        config: of the model's text encoder.
        path: of the file to write.
        opset: of the ONNX standard.

    Returns:
        The encoder that was written, to compare with.

    Raises:
        LsegError: the model has no text tower.
        MissingError: its weights are not here, and cannot be fetched.
        MismatchError: its weights are another encoder's.
        VerificationError: something of the example the graph was traced with is left in it.
    """
    if config.kind != "open_clip":
        what = "a table of words" if config.kind == "words" else "learned class vectors"
        raise LsegError(
            f"The model's text encoder is {what}, not a network: there is nothing to export. Leave "
            "--with-text-encoder out, and embed labels with `lseg`."
        )
    encoder = ClipTextEncoder.open(config)
    tokenizer = TokenizerData.of(encoder.tokenizer, encoder.context_length or 0)
    tower = cast("nn.Module", encoder.tower)
    length = encoder.context_length or 0
    (labels,) = free_primes(1, [length, *(dim for tensor in tower.state_dict().values() for dim in tensor.shape)])
    example = (torch.zeros(labels, length, dtype=torch.int64),)
    free = ({0: torch.export.Dim("labels")},)
    proto = run_exporter(_TextGraph(tower).eval(), example, free, opset, (["tokens"], ["embeddings"]))
    dims: dict[str, Dims] = {"tokens": ("labels", length), "embeddings": ("labels", encoder.width)}
    check_graph(proto, {"labels": labels}, dims)
    tidy(proto, dims)
    # Not its name, which may be a path of this machine.
    onnx.helper.set_model_props(proto, {TEXT_SHA256_KEY: encoder.sha256, TOKENIZER_KEY: tokenizer.model_dump_json()})
    save_graph(proto, path)
    return encoder
