"""Draws the dashboard as its file lays it out, from what Prometheus answers to it. Needs matplotlib."""

import math
import re
import time
from collections.abc import Callable
from typing import Any, Final

from tests.watch.dashboard import dashboard, query_of
from tests.watch.prometheus import Prometheus

_COLUMNS: Final = 24
_COLUMN_IN, _ROW_IN, _GAP_IN = 0.6, 0.38, 0.06
_STEP_S: Final = 15
_LINES_OF_TABLE: Final = 18
_BACK, _INK, _FAINT, _VALUE = "#f4f5f5", "#24292e", "#8e8e8e", "#299c46"
_LINES: Final = (
    "#56a64b",
    "#f2cc0c",
    "#3274d9",
    "#ff780a",
    "#e02f44",
    "#a352cc",
    "#37872d",
    "#1f60c4",
    "#8f3bb8",
)


def draw(prometheus: Prometheus, start: float, end: float, file: str) -> None:
    """Write the picture of what was between two times, in seconds since the epoch."""
    from matplotlib.figure import Figure

    panels = dashboard()["panels"]
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    picture = Figure(figsize=(_COLUMNS * _COLUMN_IN, rows * _ROW_IN), facecolor=_BACK)
    for panel in panels:
        canvas = _Panel(picture, panel, rows)
        if panel["type"] == "timeseries":
            _curves(canvas, [_range(prometheus, target, start, end) for target in panel["targets"]])
        else:
            asked = [
                (target, prometheus.get("query", query=query_of(target), time=end)["result"])
                for target in panel["targets"]
            ]
            (_table if panel["type"] == "table" else _stat)(canvas, asked)
    picture.savefig(file, dpi=90)


class _Panel:
    """A white box at its place in the grid, with its title; what is within it is measured in shares of it."""

    def __init__(self, picture: Any, panel: dict[str, Any], rows: int) -> None:
        place = panel["gridPos"]
        width, height = _COLUMNS * _COLUMN_IN, rows * _ROW_IN
        self._picture = picture
        self._left = (place["x"] * _COLUMN_IN + _GAP_IN) / width
        self._bottom = 1 - ((place["y"] + place["h"]) * _ROW_IN - _GAP_IN) / height
        self._width = (place["w"] * _COLUMN_IN - 2 * _GAP_IN) / width
        self._height = (place["h"] * _ROW_IN - 2 * _GAP_IN) / height
        self.unit = panel["fieldConfig"]["defaults"]["unit"]
        self.low = panel["fieldConfig"]["defaults"].get("min")
        box = self.axes(0, 0, 1, 1)
        box.set(xticks=[], yticks=[])
        for edge in box.spines.values():
            edge.set_color("#dcdcde")
        title_y = 1 - 0.2 / (place["h"] * _ROW_IN)
        box.text(
            0.02,
            title_y,
            panel["title"],
            transform=box.transAxes,
            weight="bold",
            size=9,
            color=_INK,
            va="center",
        )

    def axes(self, left: float, bottom: float, width: float, height: float) -> Any:
        return self._picture.add_axes(
            (
                self._left + left * self._width,
                self._bottom + bottom * self._height,
                width * self._width,
                height * self._height,
            )
        )


Curve = tuple[str, list[tuple[float, float]]]


def _range(prometheus: Prometheus, target: dict[str, Any], start: float, end: float) -> list[Curve]:
    found = prometheus.get("query_range", query=query_of(target), start=start, end=end, step=_STEP_S)[
        "result"
    ]
    return [
        (_legend(target, series["metric"]), [(at, float(value)) for at, value in series["values"]])
        for series in found
    ]


def _legend(target: dict[str, Any], labels: dict[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), target["legendFormat"])


def _curves(panel: _Panel, found: list[list[Curve]]) -> None:
    axes = panel.axes(0.14, 0.26, 0.83, 0.58)
    curves = sorted((curve for curves in found for curve in curves), key=lambda curve: curve[0])
    for number, (name, points) in enumerate(curves):
        axes.plot(*zip(*points, strict=True), color=_LINES[number % len(_LINES)], linewidth=1.2, label=name)
    _scale(axes, panel, [point for _, points in curves for point in points])
    axes.tick_params(labelsize=7, colors=_INK, length=0)
    axes.grid(visible=True, color="#e6e6e8", linewidth=0.6)
    for edge in axes.spines.values():
        edge.set_visible(False)
    if curves:
        under = {"loc": "upper left", "bbox_to_anchor": (-0.14, -0.12), "ncols": 3}
        axes.legend(**under, fontsize=6.5, frameon=False, handlelength=1.2)
    else:
        axes.text(0.5, 0.5, "No data", transform=axes.transAxes, ha="center", color=_FAINT)


def _scale(axes: Any, panel: _Panel, points: list[tuple[float, float]]) -> None:
    """Ticks at round values, and at whole minutes."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    top = max((value for _, value in points if not math.isnan(value)), default=0)
    step = 1024 ** int(math.log(top, 1024)) if panel.unit == "bytes" and top else 1
    axes.set_yticks([step * tick for tick in MaxNLocator(5).tick_values(0, top / step or 1)])
    axes.set_ylim(bottom=panel.low, top=top * 1.05 or 1)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: FORMS[panel.unit](value)))
    first, last = min(points, default=(0.0, 0.0))[0], max(points, default=(0.0, 0.0))[0]
    apart = 60 * math.ceil((last - first) / 60 / 6 or 1)
    axes.set_xticks(range(math.ceil(first / apart) * apart, int(last) + 1, apart))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: time.strftime("%H:%M", time.gmtime(at))))


Asked = list[tuple[dict[str, Any], list[dict[str, Any]]]]


def _stat(panel: _Panel, asked: Asked) -> None:
    form = FORMS[panel.unit]
    shown = [
        (_legend(target, each["metric"]), form(float(each["value"][1])))
        for target, found in asked
        for each in found
    ]
    axes = panel.axes(0, 0, 1, 0.8)
    axes.set_axis_off()
    for number, (name, value) in enumerate(shown or [("", "No data")]):
        x = (number + 0.5) / max(1, len(shown))
        axes.text(x, 0.5, value, size=22, color=_VALUE, ha="center", va="center", weight="bold")
        axes.text(x, 0.12, name, size=8, color=_FAINT, ha="center", va="center")


def _table(panel: _Panel, asked: Asked) -> None:
    form = FORMS[panel.unit]
    samples = [each for _, found in asked for each in found]
    names = sorted({name for each in samples for name in each["metric"]})
    lines = [
        [each["metric"].get(name, "") for name in names] + [form(float(each["value"][1]))] for each in samples
    ]
    axes = panel.axes(0.02, 0.02, 0.96, 0.8)
    axes.set_axis_off()
    for row, line in enumerate([[*names, "Value"], *sorted(lines)]):
        for column, text in enumerate(line):
            look = {"color": "#3274d9", "weight": "bold"} if row == 0 else {"color": _INK}
            axes.text(
                column / len(line), 1 - (row + 0.5) / _LINES_OF_TABLE, text, size=7, va="center", **look
            )


def _scaled(units: tuple[tuple[float, str], ...]) -> Callable[[float], str]:
    """By the largest unit that a value reaches."""

    def form(value: float) -> str:
        if math.isnan(value) or value == 0:
            return "0" if value == 0 else "NaN"
        size, name = next((unit for unit in units if abs(value) >= unit[0]), units[-1])
        return f"{value / size:.3g}{name}"

    return form


FORMS: Final[dict[str, Callable[[float], str]]] = {
    "short": _scaled(((1e6, " Mil"), (1e3, " K"), (1, ""))),
    "ops": _scaled(((1e3, "K ops/s"), (1, " ops/s"))),
    "s": _scaled(((60, " min"), (1, " s"), (1e-3, " ms"), (1e-6, " µs"))),
    "bytes": _scaled(((2**30, " GiB"), (2**20, " MiB"), (2**10, " KiB"), (1, " B"))),
    "percentunit": lambda value: f"{value:.0%}",
}
"""How Grafana writes a value, by the unit of the panel."""
