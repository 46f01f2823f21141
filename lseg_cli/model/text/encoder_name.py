"""A text encoder as a command names it. Imports nothing heavy: `--text-encoder` is made into it."""

from typing import NamedTuple

from lseg_cli.errors import LsegError

HF_HUB, LOCAL_DIR = "hf-hub:", "local-dir:"  # prefixes of open_clip, which is told where the weights lie by the name


class EncoderName(NamedTuple):
    """The name of a text encoder and its weights.

    Attributes:
        name: 'words', the bundled word table; or open_clip's, such as 'ViT-B-32-quickgelu', 'hf-hub:…', 'local-dir:…'.
        weights: a tag of open_clip or the path of a file; '': whatever the name itself says.
    """

    name: str
    weights: str = ""

    @classmethod
    def parse(cls, text: str) -> "EncoderName":
        """`ViT-B-32-quickgelu/openai` -> its name and its weights, behind the first slash.

        Names that begin with 'hf-hub:' or 'local-dir:' hold slashes of their own, and no weights.

        Raises:
            LsegError: the text is empty.
        """
        name, _, weights = (text, "", "") if text.startswith((HF_HUB, LOCAL_DIR)) else text.partition("/")
        if not name:
            raise LsegError("A text encoder needs a name; give words, or one of open_clip such as ViT-B-32-quickgelu.")
        return cls(name, weights)

    @property
    def is_place(self) -> bool:
        """True if the name itself says where the weights are."""
        return self.name.startswith((HF_HUB, LOCAL_DIR))

    def __str__(self) -> str:
        """The name as it is written on the command line."""
        return f"{self.name}/{self.weights}" if self.weights else self.name
