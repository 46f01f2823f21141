"""A moving average of the weights, which is often better than the last of them (Polyak averaging)."""

from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from lseg_cli.model.lseg import LSeg


def average_of(model: LSeg, decay: float) -> AveragedModel:
    """Return an average that begins with the weights as they are.

    Args:
        model: to be averaged; BatchNorm's statistics are averaged too.
        decay: what the average keeps of itself at each step; 0.999 looks back some thousand steps.
    """
    update = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    return AveragedModel(model, multi_avg_fn=update, use_buffers=True)


def averaged(average: AveragedModel) -> LSeg:
    """Return the model whose weights are the average."""
    model = average.module
    if not isinstance(model, LSeg):
        raise TypeError("an average of an LSeg model holds one")
    return model
