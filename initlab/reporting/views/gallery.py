"""The figures of a report, in the order it shows them. One with nothing to show is left out."""

from collections.abc import Callable

from initlab.reporting.views.at_init import branches, first_updates, gradient_rms, residual_variance, token_cosine
from initlab.reporting.views.comparison import final_losses, heat_map
from initlab.reporting.views.figure import FigureView
from initlab.reporting.views.training import layer_profiles, loss_curves, variance_over_training
from initlab.results.frames import SweepFrames

FIGURES: tuple[Callable[[SweepFrames], FigureView | None], ...] = (
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


def all_figures(frames: SweepFrames) -> list[FigureView]:
    """Return every figure that has something to show."""
    figures = [figure(frames) for figure in FIGURES]
    return [figure for figure in figures if figure is not None]
