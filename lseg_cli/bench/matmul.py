"""What a machine can do at its best: the rate of plain fp32 matrix products, in PyTorch."""

import time

import torch

_SIZES = {"cpu": (512, 1024, 2048), "cuda": (2048, 4096, 8192)}
_LEAST_S = 0.05  # of one size in one probe


class MatmulPeak:
    """The best rate seen. Probed before, between and after other work, for a machine's clock and load change.

    Attributes:
        flop_per_s: 0 before the first probe.
    """

    def __init__(self, device: str = "cpu", threads: int | None = None) -> None:
        """On a device such as 'cpu' or 'cuda:0'; `threads` of the CPU are set for the whole process."""
        if threads is not None:
            torch.set_num_threads(threads)
        self._device = torch.device(device)
        sizes = _SIZES["cpu" if self._device.type == "cpu" else "cuda"]
        self._squares = [torch.rand(size, size, device=self._device) for size in sizes]
        self.flop_per_s = 0.0

    def probe(self) -> None:
        """A few products of each size."""
        for square in self._squares:
            start = now = time.perf_counter()
            while now - start < _LEAST_S:
                begin = now
                product = square @ square
                product[0, 0].item()  # waits for the device
                now = time.perf_counter()
                self.flop_per_s = max(self.flop_per_s, 2 * len(square) ** 3 / (now - begin))
