"""Text that keeps to its room, decided when it is drawn: a picture may be resized and zoomed.

The one module of pictures that needs matplotlib to be imported; others import it when they draw.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, Locator

_PAD_PX = 2
_LEAST_SHOWN = 3  # letters of a cut text; fewer say nothing


class Fitted(Text):
    """Text in a box: wrapped, cut with "…", replaced by `short`, at last left out.

    Parameters
    ----------
    text, short : str
        What to show, and what instead where that has no room.
    box : (x0, x1, y0, y1)
        In the coordinates of `transform` (keyword of `Text`; the data's by default).
    cut : bool
        Whether a cut text is better than `short`.

    """

    def __init__(
        self,
        text: str,
        box: tuple[float, float, float, float],
        *,
        short: str = "",
        cut: bool = True,
        **kwargs: Any,
    ) -> None:
        x0, x1, y0, y1 = box
        x = {"left": x0, "center": (x0 + x1) / 2, "right": x1}[kwargs.get("ha", "left")]
        style: dict[str, Any] = {"va": "center", "clip_on": True, "parse_math": False} | kwargs
        super().__init__(x, (y0 + y1) / 2, text, **style)
        self._box, self._full = box, " ".join(text.split())
        self._short, self._cut = short, cut
        self.set_in_layout(False)  # it takes the room it is given

    def draw(self, renderer: RendererBase, *args: Any, **kwargs: Any) -> None:
        """Draw what fits now."""
        self.set_text(self._fitting(renderer))
        super().draw(renderer, *args, **kwargs)

    def _fitting(self, renderer: RendererBase) -> str:
        x0, x1, y0, y1 = self._box
        (left, low), (right, high) = self.get_transform().transform([(x0, y0), (x1, y1)])
        if self.get_horizontalalignment() == "left":
            inside = self.get_transform().inverted().transform((left + _PAD_PX, low))
            self.set_x(inside[0])
        size_px = float(renderer.points_to_pixels(self.get_fontsize()))  # type: ignore[arg-type]
        room = abs(right - left) - 2 * _PAD_PX
        n_lines = int(abs(high - low) / (1.25 * size_px))
        if not n_lines or room < size_px / 2:
            return ""
        prop = self.get_fontproperties()

        def fits(text: str) -> bool:
            width, _, _ = renderer.get_text_width_height_descent(text, prop, False)
            return bool(width <= room)

        text = _wrapped(self._full, n_lines, fits)
        if text.endswith("…") and not self._cut:
            text = ""
        return text or (self._short if fits(self._short) else "")


class Rows(Locator):
    """Ticks at equidistant `positions` of a y axis, as many as their labels have room for."""

    def __init__(self, positions: Sequence[float], size_pt: float) -> None:
        self._positions, self._size_pt = positions, size_pt

    def __call__(self) -> Sequence[float]:
        """Where ticks stand now."""
        ax = self.axis.axes  # type: ignore[union-attr]
        bottom, top = ax.get_ylim()
        row_px = ax.bbox.height / max(abs(top - bottom), 1e-9)
        label_px = 1.2 * self._size_pt * ax.figure.dpi / 72
        return self._positions[:: max(1, math.ceil(label_px / row_px))]

    def tick_values(self, vmin: float, vmax: float) -> Sequence[float]:
        """All of them, as matplotlib asks for an interval that is not shown."""
        return [at for at in self._positions if min(vmin, vmax) <= at <= max(vmin, vmax)]


def label_rows(ax: Axes, positions: Sequence[float], labels: Sequence[str], size: str) -> None:
    """Name rows of a picture on its y axis; where they are too many, some of them."""
    from matplotlib.font_manager import FontProperties

    size_pt = FontProperties(size=size).get_size_in_points()
    named = dict(zip(positions, labels, strict=True))
    ax.yaxis.set_major_locator(Rows(positions, size_pt))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda at, _: named.get(at, "")))
    ax.tick_params(axis="y", labelsize=size_pt, length=0)


def _wrapped(text: str, n_lines: int, fits: Callable[[str], bool]) -> str:
    """`text` on at most `n_lines`, the last of them cut; empty if next to nothing fits."""
    if fits(text):
        return text
    lines: list[str] = []
    words = text.split(" ")
    while words and len(lines) < n_lines:
        n = 1
        while n < len(words) and fits(" ".join(words[: n + 1])):
            n += 1
        if len(lines) == n_lines - 1 or not fits(words[0]):
            lines.append(_cut(" ".join(words), fits))
            break
        lines.append(" ".join(words[:n]))
        words = words[n:]
    shown = "\n".join(line for line in lines if line)
    return shown if len(shown.rstrip("…")) >= _LEAST_SHOWN else ""


def _cut(text: str, fits: Callable[[str], bool]) -> str:
    """The longest beginning of `text` that fits, with "…" if it is not all of it."""
    if fits(text):
        return text
    low, high = 0, len(text)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(text[:middle] + "…") else (low, middle)
    return text[:low].rstrip() + "…" if low else ""
