"""The quicklook: class map and true colour side by side with title, date, legend and scale bar, drawn by Pillow."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from shared.science.classes import Colour, Quality, SurfaceClass
from shared.science.picture import STRETCH, Picture

if TYPE_CHECKING:
    from PIL import Image
    from PIL.ImageDraw import ImageDraw

_PANEL, _MARGIN, _LINE, _BOX = 340, 24, 28, 18  # pixels
_CHARACTERS = 38  # of the panel's text that fit its width
_SMALLEST = 640  # pixels: small tiles are enlarged to this side, so that the legend fits beside them
_TRUE_COLOURS = 160
_INK: Colour = (25, 30, 40)
_FAINT: Colour = (110, 118, 130)
_PAPER: Colour = (255, 255, 255)


def quicklook(picture: Picture, *, title: str, lines: Sequence[str], shares: Sequence[tuple[str, str]]) -> bytes:
    """A PNG of the class map, true colour beside it where there is any, and a panel with legend and scale bar.

    ``shares`` are label and text per class, in the order of the codes; of the reasons for no class the legend names
    those that occur.
    """
    from PIL import Image, ImageDraw

    colour = [] if picture.colour is None else [f"right: true colour, {STRETCH}"]
    lines = [part for line in [*lines, *colour] for part in wrap(line, _CHARACTERS)]
    zoom = max(1, -(-_SMALLEST // max(picture.classes.shape)))
    maps = [_enlarged(one, zoom) for one in (_coloured(picture), _few_colours(picture.colour)) if one is not None]
    reasons = [code for code in Quality if code and (picture.quality == code).any()]
    width, height = maps[0].size
    left = len(maps) * (width + _MARGIN) + _MARGIN
    bottom = max(height, _height_of_panel(lines, shares, reasons)) + 2 * _MARGIN
    sheet = Image.new("RGB", (left + _PANEL + _MARGIN, bottom), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for x, one in zip(range(_MARGIN, left, width + _MARGIN), maps, strict=True):
        sheet.paste(one, (x, _MARGIN))
        draw.rectangle((x - 1, _MARGIN - 1, x + width, _MARGIN + height), outline=_FAINT)
    _panel(draw, left, title=title, lines=lines, shares=shares, reasons=reasons)
    _scale_bar(draw, left, bottom - _MARGIN, picture.metres / zoom)
    out = io.BytesIO()
    # Without a palette of the whole, in which rare classes would lose their colour; more effort saves 2 % of the bytes.
    sheet.save(out, "PNG", compress_level=1)
    return out.getvalue()


def _enlarged(colours: npt.NDArray[np.uint8], zoom: int) -> Image.Image:
    from PIL import Image

    picture = Image.fromarray(colours)
    return picture.resize((picture.width * zoom, picture.height * zoom), Image.Resampling.NEAREST)


def _few_colours(colours: npt.NDArray[np.uint8] | None) -> npt.NDArray[np.uint8] | None:
    """True colour in so few colours that the file stays small."""
    from PIL import Image

    return None if colours is None else np.asarray(Image.fromarray(colours).quantize(_TRUE_COLOURS).convert("RGB"))


def _coloured(picture: Picture) -> npt.NDArray[np.uint8]:
    by_class = np.zeros((256, 3), np.uint8)
    by_quality = np.zeros((256, 3), np.uint8)
    for surface in SurfaceClass:
        by_class[surface] = surface.colour
    for code in Quality:
        by_quality[code] = code.colour
    is_classified = (picture.classes > 0)[..., None]
    return np.where(is_classified, by_class[picture.classes], by_quality[picture.quality])


def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size)


def _height_of_panel(lines: Sequence[str], shares: Sequence[object], reasons: Sequence[object]) -> int:
    return 44 + (len(lines) + len(shares) + len(reasons)) * _LINE + 3 * _LINE + 60


def _panel(
    draw: ImageDraw,
    left: int,
    *,
    title: str,
    lines: Iterable[str],
    shares: Iterable[tuple[str, str]],
    reasons: Sequence[Quality],
) -> None:
    y = _MARGIN
    draw.text((left, y), title, _INK, _font(28))
    y += 44
    for line in lines:
        draw.text((left, y), line, _INK, _font(17))
        y += _LINE
    y += _LINE // 2
    draw.text((left, y), "Share of the classified surface", _FAINT, _font(15))
    y += _LINE
    for surface, (label, share) in zip(SurfaceClass, shares, strict=True):
        _entry(draw, left, y, colour=surface.colour, label=label, text=share)
        y += _LINE
    if reasons:
        y += _LINE // 2
        draw.text((left, y), "No class", _FAINT, _font(15))
        y += _LINE
    for code in reasons:
        _entry(draw, left, y, colour=code.colour, label=code.label)
        y += _LINE


def _entry(draw: ImageDraw, left: int, y: int, *, colour: Colour, label: str, text: str = "") -> None:
    draw.rectangle((left, y + 2, left + _BOX, y + 2 + _BOX), fill=colour, outline=_FAINT)
    draw.text((left + _BOX + 12, y), label, _INK, _font(17))
    draw.text((left + _PANEL, y), text, _INK, _font(17), anchor="ra")


def _scale_bar(draw: ImageDraw, left: int, bottom: int, metres: float) -> None:
    longest = 200 * metres  # of at most 200 pixels
    digits = 10 ** int(np.floor(np.log10(longest)))
    length = next(step * digits for step in (5, 2, 1) if step * digits <= longest)
    width = round(length / metres)
    draw.rectangle((left, bottom - 8, left + width, bottom - 3), fill=_INK)
    text = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    draw.text((left + width + 10, bottom - 16), text, _INK, _font(15))
