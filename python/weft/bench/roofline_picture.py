"""The picture of ``python -m weft.bench --roofline``."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from weft.bench.roofline import Point, Roofs
from weft.viz.pyplot import pyplot

_COLOURS = {
    "product": "#1f5fa8",
    "convolution": "#c1440e",
    "windows and rows": "#2e8b57",
    "elementwise": "#7b3fa0",
    "networks": "#b8860b",
}
Box = tuple[float, float, float, float]  # left, bottom, right, top
_MARKER = 7.0  # points across
_TEXT = 8.0


def draw(points: Sequence[Point], roofs: Roofs, title: str, path: Path) -> None:
    """Write the picture: numbered points below the roofs, PyTorch's hollow, names at the right.

    Raises:
        ImportError: Without matplotlib.
    """
    plt = pyplot()
    figure, (axes, names) = plt.subplots(
        1, 2, figsize=(12.5, 7), dpi=130, width_ratios=[2.6, 1], layout="constrained"
    )
    _frame(axes, points, roofs)
    axes.set_title(title, fontsize=10, loc="left")
    _draw_roofs(axes, roofs)
    for point in points:
        colour, x = _COLOURS[point.family], point.intensity
        rates = [point.flops / time / 1e9 for time in (point.weft, point.torch) if time]
        axes.plot([x] * len(rates), rates, color=colour, linewidth=0.8, alpha=0.6)
        axes.plot(x, rates[0], "o", color=colour, markersize=_MARKER, zorder=3)
        for rate in rates[1:]:
            axes.plot(x, rate, "o", mec=colour, mfc="white", markersize=_MARKER - 1, zorder=2)
    figure.canvas.draw()  # places in pixels are known from here on
    taken = _name_roofs(axes, roofs)
    _number(axes, points, taken)
    _legend(names, points)
    figure.savefig(path, dpi="figure")
    plt.close(figure)


def _frame(axes: Any, points: Sequence[Point], roofs: Roofs) -> None:
    times = [(p, t) for p in points for t in (p.weft, p.torch) if t]
    rates = [p.flops / t / 1e9 for p, t in times]
    ridge = roofs.flops / roofs.bandwidths["memory"]
    left = 0.35 * min([0.08, *(p.intensity for p in points)])
    right = 1.8 * max([2 * ridge, *(p.intensity for p in points)])
    axes.set(
        xscale="log", yscale="log", xlim=(left, right),
        ylim=(0.5 * min([1.0, *rates]), 2.2 * max([roofs.flops / 1e9, *rates])),
        xlabel="operations for each byte read or written (FLOPs/byte)",
        ylabel="operations a second (GFLOP/s)",
    )  # fmt: skip
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.grid(which="major", alpha=0.3)
    axes.grid(which="minor", alpha=0.1)


def _shades(roofs: Roofs) -> Sequence[str]:
    last = len(roofs.bandwidths) - 1
    return [str(0.6 * (last - i) / max(last, 1)) for i in range(last + 1)]  # black is memory


def _draw_roofs(axes: Any, roofs: Roofs) -> None:
    left, right = axes.get_xlim()
    peak = roofs.flops / 1e9
    fastest = max(roofs.bandwidths.values()) / 1e9
    axes.plot([peak / fastest, right], [peak, peak], color="black", linewidth=1.5)
    for rate, shade in zip(roofs.bandwidths.values(), _shades(roofs), strict=True):
        ends = [left, peak / (rate / 1e9)]
        axes.plot(ends, [x * rate / 1e9 for x in ends], color=shade, linewidth=1.5)


def _name_roofs(axes: Any, roofs: Roofs) -> list[Box]:
    """Write on each roof what it is; gives the boxes that the words fill, in pixels."""
    left, _ = axes.get_xlim()
    bottom, _ = axes.get_ylim()
    peak = roofs.flops / 1e9
    corner = peak / (max(roofs.bandwidths.values()) / 1e9)
    words = [
        axes.annotate(
            f"{peak:.0f} GFLOP/s: multiply-adds in float32", (corner, peak), (0, 4),
            textcoords="offset points", fontsize=_TEXT,
        )
    ]  # fmt: skip
    (x0, y0), (x1, y1) = axes.transData.transform([(1, 1), (10, 10)])
    angle = math.degrees(math.atan2(y1 - y0, x1 - x0))
    for (place, rate), shade in zip(roofs.bandwidths.items(), _shades(roofs), strict=True):
        start = 1.15 * max(left, bottom / (rate / 1e9))
        # L2 and L3 may be close to each other: one is named above its line, the other below.
        above = place != "L3"
        words.append(
            axes.annotate(
                f"{place}: {rate / 1e9:.0f} GB/s", (start, start * rate / 1e9),
                (-2, 3) if above else (4, -3), textcoords="offset points", rotation=angle,
                rotation_mode="anchor", va="baseline" if above else "top", fontsize=_TEXT,
                color=shade,
            )
        )  # fmt: skip
    boxes = [text.get_window_extent() for text in words]
    return [(box.x0, box.y0, box.x1, box.y1) for box in boxes]


def _number(axes: Any, points: Sequence[Point], taken: list[Box]) -> None:
    """The number of each point beside it, where it hides neither a point nor another text."""
    from matplotlib.patheffects import withStroke

    halo = [withStroke(linewidth=2.5, foreground="white")]  # lines pass behind the numbers
    scale = axes.figure.dpi / 72
    markers = [
        axes.transData.transform((p.intensity, p.flops / time / 1e9))
        for p in points
        for time in (p.weft, p.torch)
        if time
    ]
    width, height, radius = 1.4 * _TEXT * scale, _TEXT * scale, _MARKER * scale / 2
    taken = [*taken, *((x - radius, y - radius, x + radius, y + radius) for x, y in markers)]
    for number, point in enumerate(points, 1):
        x, y = axes.transData.transform((point.intensity, point.flops / point.weft / 1e9))
        best = math.inf
        for reach, turn in itertools.product((1.7, 2.2, 3.0, 4.0), range(12)):
            right = reach * _MARKER * math.cos(turn * math.pi / 6)
            up = reach * _MARKER * math.sin(turn * math.pi / 6)
            cx, cy = x + right * scale, y + up * scale
            box = cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2
            cost = sum(_overlap(box, other) for other in taken) + 5 * reach
            if cost < best:
                best, chosen, offset = cost, box, (right, up)
        taken.append(chosen)
        axes.annotate(
            str(number), (point.intensity, point.flops / point.weft / 1e9), offset,
            textcoords="offset points", ha="center", va="center", fontsize=_TEXT,
            color=_COLOURS[point.family], fontweight="bold", path_effects=halo,
        )  # fmt: skip


def _overlap(a: Box, b: Box) -> float:
    across = min(a[2], b[2]) - max(a[0], b[0])
    along = min(a[3], b[3]) - max(a[1], b[1])
    return max(across, 0.0) * max(along, 0.0)


def _legend(axes: Any, points: Sequence[Point]) -> None:
    axes.set_axis_off()
    lines = [("GFLOP/s of weft (PyTorch)", "black", True)]
    for family, members in itertools.groupby(enumerate(points, 1), lambda item: item[1].family):
        lines += [("", "black", False), (family, _COLOURS[family], True)]
        for number, p in members:
            peer = "" if p.torch is None else f" ({p.flops / p.torch / 1e9:.1f})"
            text = f"{number:2d} {p.name}: {p.flops / p.weft / 1e9:.1f}{peer}"
            lines.append((text, _COLOURS[family], False))
    lines += [
        ("", "black", False),
        ("filled: weft, hollow: PyTorch", "black", False),
        ("(*) counted as the plain sum, of which", "black", False),
        ("    Winograd's algorithm needs fewer operations", "black", False),
    ]
    for i, (text, colour, bold) in enumerate(lines):
        axes.text(
            0, 1 - i / 38, text, color=colour, fontsize=_TEXT, va="top", transform=axes.transAxes,
            fontweight="bold" if bold else "normal",
        )  # fmt: skip
