"""The bundled model `lseg-tiny` and its word table: what `lseg segment` uses without any download."""

from pathlib import Path

WEIGHTS_DIR = Path(__file__).parent
