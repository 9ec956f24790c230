"""The picture of docs/scale.md: products that are through, over days, one line per way."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from benchmarks.scale_model import Result

_WIDTH, _HEIGHT = 860, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 350, 24, 46  # pixels around the plot; the names stand on the right
_INKS = ("#1e3a8a", "#b45309", "#047857", "#be123c", "#6d28d9", "#475569")
_HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="system-ui, sans-serif" '
    'font-size="12" fill="#334155" role="img" aria-label="{what}">\n'
    '<rect width="{width}" height="{height}" fill="#fff"/>'
)
_STEP_DAYS, _STEP_PRODUCTS = 60, 20_000


def draw(results: Mapping[str, Result]) -> str:
    """An SVG document of ``results``, by their names."""
    days = max(result.days for result in results.values())
    products = max(result.products for result in results.values())
    across, up = (_WIDTH - _LEFT - _RIGHT) / days, (_HEIGHT - _TOP - _BOTTOM) / products
    floor, edge = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    what = "Products that are through, over days, for several ways"
    lines = [_HEAD.format(width=_WIDTH, height=_HEIGHT, what=what)]
    for count in range(0, products + 1, _STEP_PRODUCTS):
        y = floor - count * up
        lines.append(f'<path d="M{_LEFT} {y:.1f}H{edge}" stroke="#e2e8f0"/>')
        lines.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{count:,}</text>')
    lines.extend(
        f'<text x="{_LEFT + day * across:.1f}" y="{floor + 18}" text-anchor="middle">{day}</text>'
        for day in range(0, int(days) + 1, _STEP_DAYS)
    )
    lines.append(f'<text x="{(_LEFT + edge) / 2}" y="{_HEIGHT - 8}" text-anchor="middle">days</text>')
    lines.append(f'<text x="{_LEFT}" y="14">products classified</text>')
    for number, (name, result) in enumerate(sorted(results.items(), key=lambda one: one[1].days)):
        ink, dash = _INKS[number % len(_INKS)], "" if number % 2 == 0 else ' stroke-dasharray="6 3"'
        points = [(0.0, 0.0), *((day, count) for day, count in enumerate(result.done[:-1], 1) if day % 5 == 0)]
        path = " ".join(
            f"{_LEFT + day * across:.1f},{floor - count * up:.1f}"
            for day, count in [*points, (result.days, result.done[-1])]
        )
        lines.append(f'<polyline points="{path}" fill="none" stroke="{ink}" stroke-width="2"{dash}/>')
        y = _TOP + 16 + 22 * number
        lines.append(f'<path d="M{edge + 14} {y - 4}h24" stroke="{ink}" stroke-width="2"{dash}/>')
        lines.append(f'<text x="{edge + 44}" y="{y}">{escape(name)}: {result.days:.0f} days</text>')
    return "\n".join([*lines, "</svg>", ""])
