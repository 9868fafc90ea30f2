"""The figures of a report, in the order it shows them. One with nothing to show is left out."""

from collections.abc import Callable

from initlab.reporting.canvas import Drawing
from initlab.reporting.figures_compare import final_losses, heat_map
from initlab.reporting.figures_init import branches, first_updates, gradient_rms, residual_variance, token_cosine
from initlab.reporting.figures_training import layer_profiles, loss_curves, variance_over_training
from initlab.results.frames import SweepFrames

FIGURES: tuple[Callable[[SweepFrames], Drawing | None], ...] = (
    residual_variance,
    loss_curves,
    final_losses,
    heat_map,
    branches,
    variance_over_training,
    layer_profiles,
    gradient_rms,
    token_cosine,
    first_updates,
)


def draw_all(frames: SweepFrames) -> list[Drawing]:
    """Return every figure that has something to show."""
    drawn = [figure(frames) for figure in FIGURES]
    return [drawing for drawing in drawn if drawing is not None]
