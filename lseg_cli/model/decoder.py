"""The DPT decoder: from the coarsest level to the finest, each fused with what came before (Ranftl et al. 2021).

Its last upsampling and the 1x1 convolutions around it commute exactly, because bilinear weights sum to one. So the
convolutions run first, on a quarter of the pixels, and the upsampling is left to `lseg_cli.model.correlation`.
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F


def upsample2(x: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, C, 2h, 2w). The one interpolation of the decoder and the output."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=True)


def upsample2_each(maps: Tensor) -> Tensor:
    """`upsample2` of label maps, (B, N, h, w) -> (B, N, 2h, 2w), each by itself.

    So that the order of the labels changes no bit: taken together, PyTorch's CPU rounds the last maps differently.
    For few labels it is also twice as fast.
    """
    height, width = maps.shape[-2:]
    return upsample2(maps.flatten(0, 1).unsqueeze(1)).reshape(*maps.shape[:2], 2 * height, 2 * width)


class ResidualUnit(nn.Module):
    """Pre-activation residual unit of two 3x3 convolutions with BatchNorm."""

    def __init__(self, width: int) -> None:
        """`width` channels in and out."""
        super().__init__()
        self.body = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, h, w) -> the same shape."""
        residual: Tensor = self.body(x)
        return x + residual


class Fusion(nn.Module):
    """Adds one level to what came from the coarser ones."""

    def __init__(self, width: int, has_skip: bool) -> None:
        """The coarsest level starts the path: it has no skip."""
        super().__init__()
        self.skip = ResidualUnit(width) if has_skip else None
        self.unit = ResidualUnit(width)
        self.out = nn.Conv2d(width, width, 1)

    def forward(self, level: Tensor, path: Tensor | None) -> Tensor:
        """(B, width, h, w), and the path at the same size -> (B, width, h, w), not yet upsampled."""
        if self.skip is not None and path is not None:
            level = path + self.skip(level)
        fused: Tensor = self.out(self.unit(level))
        return fused


class DPTDecoder(nn.Module):
    """Four levels -> pixel embeddings at stride 4, before the upsampling to stride 2 and before unit length."""

    def __init__(self, channels: Sequence[int], width: int, embedding_width: int) -> None:
        """`channels` of the levels from stride 4 to 32; `width` of the decoder; `embedding_width` is C."""
        super().__init__()
        self.project = nn.ModuleList(nn.Conv2d(c, width, 3, padding=1, bias=False) for c in channels)
        self.fuse = nn.ModuleList(Fusion(width, has_skip=i < len(channels) - 1) for i in range(len(channels)))
        self.head = nn.Conv2d(width, embedding_width, 1)

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """Maps (B, channels[i], H / stride, W / stride) -> (B, C, H / 4, W / 4)."""
        path: Tensor | None = None
        for level, project, fuse in zip(reversed(levels), reversed(self.project), reversed(self.fuse), strict=True):
            path = fuse(project(level), None if path is None else upsample2(path))
        embeddings: Tensor = self.head(path)
        return embeddings


class Tier(nn.Module):
    """One level of a `ReadoutDecoder`: the level and what comes from the coarser one, fused at a width of its own."""

    def __init__(self, channels: int, coarser: int | None, width: int, units: int, embedding_width: int) -> None:
        """`coarser` is the width of the tier above, None for the coarsest; `units` residual units follow the sum."""
        super().__init__()
        # The backbone's maps come as they are, of any scale; without affine part, for the projection has one.
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.project = nn.Conv2d(channels, width, 1)
        self.bring = None if coarser is None else nn.Conv2d(coarser, width, 1, bias=False)
        self.units = nn.Sequential(*(ResidualUnit(width) for _ in range(units)))
        self.readout = nn.Conv2d(width, embedding_width, 1, bias=coarser is None)
        self.direct = nn.Conv2d(channels, embedding_width, 1, bias=False)

    def forward(self, level: Tensor, path: Tensor | None) -> tuple[Tensor, Tensor]:
        """(B, channels, h, w) and the coarser path at half the size -> path (B, width, h, w), readout (B, C, h, w)."""
        level = self.norm(level)
        fused = self.project(level)
        if self.bring is not None and path is not None:
            fused = fused + upsample2(self.bring(path))
        fused = self.units(fused)
        return fused, self.readout(fused) + self.direct(level)


class ReadoutDecoder(nn.Module):
    """DPT's path from coarse to fine, wide where pixels are few, and the sum of a readout at every level.

    The embedding is the upsampled sum of linear readouts, of the path and of the encoder's maps themselves. Meaning
    found at stride 32 so reaches it in the full width C, whatever the width at stride 4; and training can start from
    one linear layer on the frozen maps, which goes far by itself.
    """

    def __init__(self, channels: Sequence[int], widths: Sequence[int], embedding_width: int) -> None:
        """`channels` and `widths` of the levels from stride 4 to 32; `embedding_width` is C."""
        super().__init__()
        coarser = [*widths[1:], None]
        units = [
            2 if level == len(widths) - 2 else 1 for level in range(len(widths))
        ]  # two at stride 16, where objects are
        self.tiers = nn.ModuleList(
            Tier(*numbers, embedding_width) for numbers in zip(channels, coarser, widths, units, strict=True)
        )

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """Maps (B, channels[i], H / stride, W / stride) -> (B, C, H / 4, W / 4)."""
        path: Tensor | None = None
        embeddings: Tensor | None = None
        for level, tier in zip(reversed(levels), reversed(self.tiers), strict=True):
            path, readout = tier(level, path)
            embeddings = readout if embeddings is None else readout + upsample2(embeddings)
        if embeddings is None:
            raise ValueError("A decoder needs at least one level.")
        return embeddings
