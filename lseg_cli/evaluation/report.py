"""What reports of all protocols have in common."""

from typing import Any

from lseg_cli.contract import Engine


def described(model: str, engine: Engine) -> dict[str, Any]:
    """Which model was looked at, and on what."""
    return {
        "model": model,
        "model_sha256": engine.spec.model_sha256,
        "device": engine.device,
        "precision": engine.precision,
    }
