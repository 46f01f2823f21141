"""Makes the bundled file: the encoder and a trained decoder, float16, with size, origin and text encoder's hash.

python recipes/lseg-tiny/bundle.py runs/fine.pt lseg_cli/weights/lseg-tiny.safetensors
"""

import sys
from pathlib import Path

import torch
from data_sets import LAST_BLOCKS, encoder
from torch import nn

from lseg_cli.config import preset
from lseg_cli.model.checkpoint import save_model
from lseg_cli.model.decoder import ReadoutDecoder
from lseg_cli.model.lseg import LSeg
from lseg_cli.model.text.word_table import WordTable

LONG_SIDE_PX = 640
ORIGIN = (
    "recipes/lseg-tiny/make.sh: EfficientNet-Lite2 of ImageNet; last blocks and decoder from the train splits of "
    "CamVid, MSRC, VOC 2012, Clothing Co-Parsing, COCO128, UJ Staple Pantry (3,534 pictures), 1,000 of ImageNet"
)


def main(trained: Path, out: Path) -> None:
    """Reads the decoder `trained` of four tiers, or of three, whose fourth then adds nothing; writes `out`."""
    config = preset("lseg-tiny")
    network = encoder()
    decoder = ReadoutDecoder(network.channels, config.decoder_widths, config.text.width)
    state = torch.load(trained, weights_only=True)
    tuned = {name.removeprefix("blocks."): value for name, value in state.items() if name.startswith("blocks.")}
    if tuned:
        network.backbone.blocks[LAST_BLOCKS].load_state_dict(tuned)
        state = {name.removeprefix("decoder."): v for name, v in state.items() if name.startswith("decoder.")}
    if "tiers.3.project.weight" not in state:
        state = {f"tiers.{int(name[6]) + 1}{name[7:]}": value for name, value in state.items()}
        for module in (decoder.tiers[0].readout, decoder.tiers[0].direct):
            nn.init.zeros_(module.weight)  # type: ignore[union-attr, arg-type]
        state |= {name: value for name, value in decoder.state_dict().items() if name.startswith("tiers.0.")}
    decoder.load_state_dict(state)
    config = config.model_copy(
        update={
            "text": config.text.model_copy(update={"sha256": WordTable.open().sha256}),
            "image": config.image.model_copy(update={"long_side_px": LONG_SIDE_PX}),
            "origin": ORIGIN,
        }
    )
    save_model(LSeg(network, decoder, nn.Identity(), config), out, half=True)
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
