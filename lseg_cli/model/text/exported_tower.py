"""A text tower that `lseg export` wrote beside a model, in ONNX Runtime: new words without PyTorch and open_clip."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from lseg_cli.contract import TEXT_SHA256_KEY, TOKENIZER_KEY
from lseg_cli.errors import MismatchError
from lseg_cli.model.text.tokenizer import ClipTokenizer, TokenizerData

_BATCH = 64
_FATAL = 4  # of ONNX Runtime's severities: what goes wrong is raised


class ExportedTower:
    """A `TextEncoder`, on the CPU.

    Attributes:
        width: C.
        sha256: of the tower that was exported.
        context_length: tokens of a text that are read.
    """

    context_length: int | None

    def __init__(self, session: Any, origin: str) -> None:
        """Takes a session of ONNX Runtime as it is; `open` is the usual way in.

        Raises:
            MismatchError: the graph is not a text tower of this tool.
        """
        metadata: dict[str, str] = session.get_modelmeta().custom_metadata_map
        if not {TEXT_SHA256_KEY, TOKENIZER_KEY} <= metadata.keys():
            raise MismatchError(f"{origin} is not a text encoder with its tokenizer; export the model again.")
        data = TokenizerData.model_validate_json(metadata[TOKENIZER_KEY])
        self._session, self._tokenizer = session, ClipTokenizer(data)
        self.width = int(session.get_outputs()[0].shape[1])
        self.sha256 = metadata[TEXT_SHA256_KEY]
        self.context_length = data.context_length

    @classmethod
    def open(cls, path: Path) -> "ExportedTower":
        """Opens a `.text.onnx` file.

        Raises:
            MismatchError: it cannot be read, or is not a text tower of this tool.
        """
        settings = onnxruntime.SessionOptions()
        settings.log_severity_level = _FATAL
        try:
            session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's classes have no base of their own
            raise MismatchError(f"{path} is not a whole text encoder; export the model again.") from error
        return cls(session, str(path))

    def token_count(self, text: str) -> int:
        """Return how many tokens a text has, with the marks of begin and end."""
        return len(self._tokenizer.encode(text)) + 2

    def tokenize(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Return what the tower reads: N texts -> (N, context length)."""
        return self._tokenizer.tokenize(texts)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """N texts -> (N, C) float32, rows of length 1. Text beyond the context length is cut."""
        rows = [np.empty((0, self.width), np.float32)]
        for start in range(0, len(texts), _BATCH):
            tokens = self.tokenize(texts[start : start + _BATCH])
            rows.append(self._session.run(["embeddings"], {"tokens": tokens})[0])
        return np.concatenate(rows)
