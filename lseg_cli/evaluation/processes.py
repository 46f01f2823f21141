"""Several processes that evaluate together, as accelerate and torchrun start them: each takes every n-th picture."""

import os
from dataclasses import dataclass, replace
from datetime import timedelta

from lseg_cli.engine_choice import EngineChoice
from lseg_cli.evaluation.metrics import Counts

_PATIENCE = timedelta(hours=6)  # of a process that waits for slower ones


@dataclass(frozen=True)
class Processes:
    """This process among its kind.

    Attributes:
        index: of this one; 0 reports.
        count: how many there are.
        local_index: among those of this machine.
    """

    index: int = 0
    count: int = 1
    local_index: int = 0

    @classmethod
    def here(cls) -> "Processes":
        """As the launcher's environment says; connects them if there are several."""
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return cls()
        from accelerate import PartialState  # noqa: PLC0415  seconds, for one process in vain

        state = PartialState(cpu=True, timeout=_PATIENCE)  # what is shared are counts, whatever the engines run on
        return cls(state.process_index, state.num_processes, state.local_process_index)

    def turns(self, count: int) -> range:
        """The numbers of this process's pictures, of `count`."""
        return range(self.index, count, self.count)

    def own(self, choice: EngineChoice) -> EngineChoice:
        """Return the choice for this process: each of a machine gets a GPU of its own where any would do."""
        if self.count == 1 or choice.device not in ("auto", "cuda"):
            return choice
        import torch  # noqa: PLC0415

        if choice.device == "auto" and not torch.cuda.is_available():
            return choice
        return replace(choice, device=f"cuda:{self.local_index}")

    def summed(self, numbers: Counts) -> Counts:
        """The sum of what all processes give, in each of them."""
        if self.count == 1:
            return numbers
        import torch  # noqa: PLC0415
        from accelerate.utils import reduce  # noqa: PLC0415

        total: Counts = reduce(torch.from_numpy(numbers), "sum").numpy()
        return total
