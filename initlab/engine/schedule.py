"""Learning rate, evaluations and probes as functions of the step."""

import math

from initlab.spec.run import TrainSpec


def learning_rate(step: int, train: TrainSpec) -> float:
    """Return nanoGPT's schedule (train.py, get_lr): linear warm-up, cosine to the final rate, then constant.

    ``schedule = "constant"`` stays at the peak after the warm-up.
    """
    if step < train.warmup:
        return train.lr * (step + 1) / (train.warmup + 1)
    if train.schedule == "constant":
        return train.lr
    end = train.decay_steps or train.steps
    if step > end or end == train.warmup:
        return train.final_lr
    progress = (step - train.warmup) / (end - train.warmup)
    return train.final_lr + 0.5 * (1 + math.cos(math.pi * progress)) * (train.lr - train.final_lr)


def evaluates(step: int, train: TrainSpec) -> bool:
    """Whether the validation loss is taken with the parameters after ``step`` updates."""
    return train.steps > 0 and (step % train.eval_interval == 0 or step == train.steps)


def probes(step: int, train: TrainSpec) -> bool:
    """Whether the layers are probed on batch ``step``: at the first, the last and scheduled steps.

    Without an interval the schedule is 1, 2, 5, 10, 20, 50, ...: what an init does is over early.
    """
    if step in (0, train.steps):
        return True
    if train.probe_interval is not None:
        return step % train.probe_interval == 0
    magnitude = 10 ** (len(str(step)) - 1)
    return step in (magnitude, 2 * magnitude, 5 * magnitude)
