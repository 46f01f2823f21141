"""Trains the decoder of the bundled model on cached features of the frozen encoder. `make.sh` has the commands.

    python recipes/lseg-tiny/train.py runs/coarse --tiers 3 --steps 1500
    python recipes/lseg-tiny/train.py runs/fine --tiers 4 --start runs/coarse.pt

Three tiers are the strides 32, 16 and 8, where meaning is found; the fourth, stride 4, only draws borders. `--line`
trains the yardstick instead: one linear layer of each map at strides 8 to 32.
"""

import argparse
import copy
import math
import queue
import threading
import time
from pathlib import Path

import numpy as np
import torch
from crops import PART_CELLS, Batch, Crops, produce
from data_sets import CHANNELS, LAST_BLOCKS, PICTURES, STRIDES, encoder
from judge import Judge
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from vocabulary import NONE, Chances

from lseg_cli.config import TEMPERATURE
from lseg_cli.model.decoder import ReadoutDecoder, upsample2
from lseg_cli.model.encoder import SameConv2d

WIDTHS = (48, 96, 160, 256)
C = 192
CELLS = 1024  # of each picture, in the loss


class Line(nn.Module):
    """The yardstick: a linear layer from the frozen maps to the words."""

    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.BatchNorm2d(count, affine=False) for count in CHANNELS[1:])
        self.readouts = nn.ModuleList(nn.Conv2d(count, C, 1) for count in CHANNELS[1:])

    def forward(self, levels: list[Tensor]) -> Tensor:
        """Maps at strides 8, 16, 32 -> (B, C, h / 8, w / 8)."""
        maps = [out(norm(x)) for x, norm, out in zip(levels, self.norms, self.readouts, strict=True)]
        embeddings: Tensor = maps[0] + upsample2(maps[1] + upsample2(maps[2]))
        return embeddings


class FloatConv(nn.Conv2d):
    """A depthwise convolution in float32: its bfloat16 gradient takes three times as long on CPUs."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C, h, w)."""
        with torch.autocast("cpu", enabled=False):
            return super().forward(x.float())


class FloatSameConv(SameConv2d):
    """The same with TensorFlow's padding."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C, h / stride, w / stride)."""
        with torch.autocast("cpu", enabled=False):
            return super().forward(x.float())


class Tuned(nn.Module):
    """The decoder and the encoder's blocks of stride 32, which learn along; their BatchNorm stays as it is."""

    def __init__(self, decoder: nn.Module) -> None:
        super().__init__()
        self.decoder = decoder
        self.blocks = encoder().backbone.blocks[LAST_BLOCKS]
        for module in self.blocks.modules():
            if isinstance(module, nn.Conv2d) and module.groups > 1:
                module.__class__ = FloatSameConv if isinstance(module, SameConv2d) else FloatConv

    def train(self, mode: bool = True) -> "Tuned":
        """As any module, but for the blocks."""
        super().train(mode)
        self.blocks.eval()
        return self

    def forward(self, levels: list[Tensor], corners: Tensor | None = None, drop: float = 0.0) -> Tensor:
        """Maps at strides 4, 8, 16; with `corners` they are parts, and the fourth is the whole of stride 16."""
        coarse = self.blocks(levels[2 if corners is None else 3])
        if corners is not None:
            cells = [
                row[:, y : y + PART_CELLS, x : x + PART_CELLS]
                for row, (y, x) in zip(coarse, corners.tolist(), strict=True)
            ]
            coarse = torch.stack(cells)
        embeddings: Tensor = self.decoder([F.dropout2d(level, drop) for level in (*levels[:3], coarse)])
        return embeddings


def loss_of(
    crops: Crops, embeddings: Tensor, masks: Tensor, indices: NDArray[np.int64], chances: Chances
) -> Tensor | None:
    """The cross-entropy of one set's part of a batch, (B, C, h, w) and (B, h, w); None if nothing is labelled."""
    if crops.name == PICTURES:
        text = crops.words.of_pictures(indices, chances)
        number = torch.arange(len(indices))[:, None, None]
        labels = torch.where(masks == 0, number, torch.full_like(masks, NONE))
        weights = torch.ones(len(text))
    else:
        words, weights, ids = crops.words, crops.weights, masks
        if crops.as_voc and words.rng.random() < chances.shared:
            words, weights, lookup = crops.as_voc
            ids = lookup[masks]
        text, weights, lookup = words.step(weights, chances)
        labels = lookup[ids]
    right = labels[labels >= 0]
    pixels = embeddings.permute(0, 2, 3, 1)[labels >= 0]
    if not len(right):
        return None
    if len(right) > CELLS * len(masks):
        pick = torch.randint(len(right), (CELLS * len(masks),))
        pixels, right = pixels[pick], right[pick]
    return F.cross_entropy(F.normalize(pixels.float(), dim=1) @ text.T / TEMPERATURE, right, weight=weights)


def begin(options: argparse.Namespace) -> nn.Module:
    """The network as training starts it."""
    torch.manual_seed(options.seed)
    if options.line:
        return Line().to(memory_format=torch.channels_last)
    first = len(STRIDES) - int(options.tiers)
    network = ReadoutDecoder(CHANNELS[first:], WIDTHS[first:], C)
    for tier in network.tiers:  # the maps themselves add nothing at first, or what a line has learned
        nn.init.zeros_(tier.direct.weight)  # type: ignore[union-attr, arg-type]
    if options.from_line:
        take_over(network, torch.load(options.from_line, weights_only=True))
    blocks: dict[str, Tensor] = {}
    if options.start:
        state, blocks = parted(torch.load(options.start, weights_only=True))
        missing = options.tiers - 1 - max(int(name.split(".")[1]) for name in state)
        state = {f"tiers.{int(name.split('.')[1]) + missing}.{name.split('.', 2)[2]}": v for name, v in state.items()}
        network.load_state_dict(state, strict=not missing)
        if missing:  # the new tier starts by adding nothing
            nn.init.zeros_(network.tiers[0].readout.weight)  # type: ignore[union-attr, arg-type]
            nn.init.zeros_(network.tiers[0].direct.weight)  # type: ignore[union-attr, arg-type]
    if not options.tune:
        return network.to(memory_format=torch.channels_last)
    whole = Tuned(network)
    if blocks:
        whole.blocks.load_state_dict(blocks)
    return whole.to(memory_format=torch.channels_last)


def trained_network(file: str) -> nn.Module:
    """A run of four tiers that tuned the encoder's blocks, as it was kept."""
    network = Tuned(ReadoutDecoder(CHANNELS, WIDTHS, C))
    network.load_state_dict(torch.load(file, weights_only=True))
    return network.to(memory_format=torch.channels_last)


def parted(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The decoder's weights of a run, and those of the encoder's blocks, which are none if they did not learn along."""
    blocks = {name.removeprefix("blocks."): value for name, value in state.items() if name.startswith("blocks.")}
    if not blocks:
        return state, {}
    return {name.removeprefix("decoder."): v for name, v in state.items() if name.startswith("decoder.")}, blocks


def take_over(network: ReadoutDecoder, line: dict[str, Tensor]) -> None:
    """Makes a decoder of three tiers give what a `Line` gives; its path adds nothing yet."""
    bias = sum(line[f"readouts.{number}.bias"] for number in range(len(network.tiers)))
    for number, tier in enumerate(network.tiers):
        nn.init.zeros_(tier.readout.weight)  # type: ignore[union-attr, arg-type]
        tier.direct.weight.data = line[f"readouts.{number}.weight"]  # type: ignore[union-attr]
        tier.norm.load_state_dict({k: line[f"norms.{number}.{k}"] for k in tier.norm.state_dict()})  # type: ignore[union-attr]
    network.tiers[-1].readout.bias.data = bias  # type: ignore[union-attr]


def optimizer_of(network: nn.Module, tune: float) -> torch.optim.Optimizer:
    """AdamW; only kernels decay; the encoder's blocks take `tune` of the rate."""
    groups: list[dict[str, object]] = []
    for name, value in network.named_parameters():
        factor = tune if name.startswith("blocks.") else 1.0
        groups.append({"params": [value], "weight_decay": 1e-2 if value.ndim > 1 else 0.0, "factor": factor})
    return torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.99))


def follow(mean: nn.Module, network: nn.Module, step: int, decay: float) -> None:
    """Moves the mean of the weights towards the weights."""
    share = 1 - min(decay, (step + 1) / (step + 10))
    with torch.no_grad():
        for ours, theirs in zip(mean.state_dict().values(), network.state_dict().values(), strict=True):
            if ours.is_floating_point():
                ours.lerp_(theirs, share)
            else:
                ours.copy_(theirs)


def losses_of(
    network: nn.Module,
    batch: Batch,
    sets: dict[str, Crops],
    chances: dict[str, Chances],
    options: argparse.Namespace,
) -> dict[str, Tensor]:
    """The loss of each set of a batch."""
    with torch.autocast("cpu", torch.bfloat16):
        if options.tune:
            embeddings = network(batch.maps, batch.corners, options.drop)
        else:
            embeddings = network([F.dropout2d(level, options.drop) for level in batch.maps])
    losses: dict[str, Tensor] = {}
    first = 0
    for name, count in options.mix.items():
        part = slice(first, first + count)
        first += count
        loss = loss_of(sets[name], embeddings[part], batch.masks[part], batch.indices[name], chances[name])
        if loss is not None:
            losses[name] = loss
    return losses


def keep(
    options: argparse.Namespace,
    network: nn.Module,
    mean: nn.Module,
    optimizer: torch.optim.Optimizer,
    done: tuple[int, float],
) -> None:
    """Writes what `resumed` reads, whole or not at all; and the mean of the weights alone, as `OUT.pt`."""
    torch.save(mean.state_dict(), f"{options.out}.pt")
    states = {"network": network.state_dict(), "mean": mean.state_dict(), "optimizer": optimizer.state_dict()}
    scratch = Path(f"{options.out}.resume.new")
    torch.save(states | {"done": done}, scratch)
    scratch.replace(f"{options.out}.resume")


def resumed(
    options: argparse.Namespace, network: nn.Module, mean: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[int, float]:
    """Goes on where a run of the same name was stopped: steps done, and minutes; 0 and 0 if there is none."""
    file = Path(f"{options.out}.resume")
    if not file.exists():
        return 0, 0.0
    states = torch.load(file, weights_only=True)
    network.load_state_dict(states["network"])
    mean.load_state_dict(states["mean"])
    optimizer.load_state_dict(states["optimizer"])
    step, minutes = states["done"]
    print(f"goes on after step {step}", flush=True)
    return step, minutes


def train(options: argparse.Namespace) -> nn.Module:
    """Trains, and keeps the mean of the weights in `OUT.pt`; goes on with a run of that name that was stopped."""
    rng = np.random.default_rng(options.seed)
    sets = {name: Crops(name, options, rng) for name in options.mix}
    network = begin(options)
    said = dict.fromkeys(sets, options.paraphrase) | {"camvid": options.street_paraphrase}
    chances = {name: Chances(share, options.other, options.subset, options.shared) for name, share in said.items()}
    mean = copy.deepcopy(network).eval()
    optimizer = optimizer_of(network, options.tune)
    first, spent = resumed(options, network, mean, optimizer)
    batches: queue.Queue[Batch] = queue.Queue(3)
    threading.Thread(target=produce, args=(sets, options.mix, options.seed + first, batches), daemon=True).start()
    begun, losses = time.monotonic() - 60 * spent, dict.fromkeys(options.mix, 0.0)
    for step in range(first, options.steps):
        minutes = (time.monotonic() - begun) / 60
        done = max(step / options.steps, minutes / options.minutes)
        if done >= 1:
            break
        rate = options.rate * min(1, (step + 1) / options.warm) * (0.5 + 0.5 * math.cos(math.pi * done))
        for group in optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        batch = batches.get()
        network.train()
        optimizer.zero_grad()
        total = torch.zeros(())
        for name, loss in losses_of(network, batch, sets, chances, options).items():
            losses[name] += 0.05 * (loss.item() - losses[name])
            total = total + loss * (options.mix[name] / sum(options.mix.values()))
        total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        follow(mean, network, step, options.decay)
        if step % options.keep_every == options.keep_every - 1:
            print(step + 1, f"{minutes:.1f} min", {name: round(value, 3) for name, value in losses.items()}, flush=True)
            keep(options, network, mean, optimizer, (step + 1, minutes))
        if options.judge_every and step % options.judge_every == options.judge_every - 1:
            print(Judge(options)(mean, 4), flush=True)
    torch.save(mean.state_dict(), f"{options.out}.pt")
    return mean


def main() -> None:
    """Reads the command line, trains and judges."""
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--tiers", type=int, choices=(3, 4), default=3)
    parser.add_argument("--start", help="a .pt of this script to go on from")
    parser.add_argument("--from-line", help="a .pt of --line, to begin with")
    parser.add_argument("--line", action="store_true", help="the yardstick")
    parser.add_argument("--whole", action="store_true", help="learn on whole crops, not on parts")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=1e9, help="at most; the rate falls to zero by then")
    parser.add_argument("--mix", default="camvid:3,coco128:2,msrc:2,voc:6,clothing:3,pantry:1", help="crops a step")
    parser.add_argument("--variants", default="0,1,2,3,4,5,6,7", help="of the cached crops, as far as they are there")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument(
        "--tune", type=float, default=0.0, help="share of the rate for the encoder's blocks of stride 32"
    )
    parser.add_argument("--warm", type=int, default=60)
    parser.add_argument("--decay", type=float, default=0.998, help="of the mean of the weights")
    parser.add_argument("--drop", type=float, default=0.1, help="of the encoder's channels")
    parser.add_argument(
        "--balance", type=float, default=0.5, help="weights of classes: pixels to the power of minus this"
    )
    parser.add_argument("--paraphrase", type=float, default=0.3)
    parser.add_argument("--street-paraphrase", type=float, default=0.3, help="of camvid, for which there are most")
    parser.add_argument("--other", type=float, default=0.3)
    parser.add_argument("--subset", type=float, default=0.1)
    parser.add_argument("--shared", type=float, default=0.0, help="chance of a set that names everything to say VOC's")
    parser.add_argument("--unseen", default="", help="classes that training must not see, nor their pictures")
    parser.add_argument("--fold", type=int, choices=range(5), help="of coco128: a fifth to be judged with")
    parser.add_argument("--keep-every", type=int, default=50, help="steps from one checkpoint to the next")
    parser.add_argument("--judge-every", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.mix = {name: int(count) for name, count in (part.split(":") for part in options.mix.split(","))}
    options.variants = [int(text) for text in options.variants.split(",")]
    options.unseen = [word for word in options.unseen.split(",") if word]
    options.tiers = 3 if options.line else options.tiers
    options.out.parent.mkdir(parents=True, exist_ok=True)
    print(Judge(options)(train(options), 1), flush=True)


if __name__ == "__main__":
    main()
