"""Plots: first as data, so that what is drawn can be tested where nothing can draw."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_INCHES = (10, 5)
_DOTS_PER_INCH = 100


@dataclass(frozen=True, slots=True)
class Lines:
    """Points by series. `name` is the file's, without its ending."""

    name: str
    title: str
    x: str
    y: str
    series: Mapping[str, Sequence[tuple[float, float]]]
    logarithmic: bool = False
    """Both axes."""


@dataclass(frozen=True, slots=True)
class Bars:
    """Heights by series and category; a series need not have all categories."""

    name: str
    title: str
    y: str
    series: Mapping[str, Mapping[str, float]]


Plot = Lines | Bars


def file_name(plot: Plot) -> str:
    return f"{plot.name}.png"


def draw(plot: Plot, folder: Path) -> None:
    """As a PNG in that folder."""
    # only who draws needs them
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogFormatter

    figure = Figure(figsize=_INCHES, dpi=_DOTS_PER_INCH, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(plot.title)
    axes.set_ylabel(plot.y)
    axes.grid(axis="y", alpha=0.3)
    match plot:
        case Lines():
            axes.set_xlabel(plot.x)
            for label, points in plot.series.items():
                xs, ys = zip(*sorted(points), strict=True)
                axes.plot(xs, ys, marker="o", label=label)
            if plot.logarithmic:
                axes.set(xscale="log", yscale="log")
                for axis in (axes.xaxis, axes.yaxis):
                    axis.set_major_formatter("{x:g}")
                    axis.set_minor_formatter(LogFormatter())
            else:
                axes.set_xlim(0)
                axes.set_ylim(0)
                axes.xaxis.set_major_formatter("{x:,.0f}")
        case Bars():
            categories = list(dict.fromkeys(category for heights in plot.series.values() for category in heights))
            width = 0.8 / len(plot.series)
            for place, (label, heights) in enumerate(plot.series.items()):
                left = [categories.index(category) - 0.4 + (place + 0.5) * width for category in heights]
                axes.bar(left, list(heights.values()), width, label=label)
            axes.set_xticks(range(len(categories)), categories)
            axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.legend()
    figure.savefig(folder / file_name(plot))
