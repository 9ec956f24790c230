"""From a drone's orthomosaic to result files: what the inbox and the command line share.

    map_orthomosaic(orthomosaic, name, classifier, tools=..., emit=..., clock=...)

Windows follow the blocks of the file. An orthomosaic of more than PIECE pixels a side is mapped in pieces, each with
layers of its own, so that memory holds a few windows and the compressed layers of one piece, whatever the whole is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count

from shared.errors import BadModel, BadProduct
from shared.pipeline.drone_ports import DroneTools, Orthomosaic
from shared.pipeline.drone_results import DroneSummary, MadeByDrone, Publication, layer_name
from shared.pipeline.surface_ports import Emit, Progress
from shared.pipeline.surface_results import COG_TYPE
from shared.pipeline.surface_sample import Sample
from shared.ports import Clock
from shared.science.classes import Quality
from shared.science.drone import DRONE_BANDS
from shared.science.drone_selftest import darkness
from shared.science.forest import Classifier
from shared.science.orthomosaic import DRONE_LAYERS, RADIOMETRY, classify_orthomosaic_window
from shared.science.selftest import fault
from shared.science.statistics import Tally
from shared.science.windows import Window, aligned, windows

PIECE = 8192  # pixels, side of a piece
_WINDOW = 512  # pixels, side of a window
_MOST_SWAPPED = 90.0  # percent
_STATED = "holds no reflectances with the scale that it states, or as floating point"
_GUESSED = "holds integers without a scale, and with 32768 for reflectance 1 they seem to be none"
_HINT = " State it: gdal_edit.py -scale 0.0001 where 10000 is reflectance 1, -scale 0.000030517578125 where 32768 is."


@dataclass(frozen=True, slots=True)
class Plan:
    """How an orthomosaic is cut, as its blocks are."""

    shape: tuple[int, int]
    block: tuple[int, int]

    def pieces(self, side: int = PIECE) -> list[Window]:
        """Pieces of about ``side`` x ``side`` pixels; of full width where the file is stored in rows."""
        return list(windows(self.shape, self._size(side, self.shape[1])))

    def windows(self, piece: Window) -> Iterator[Window]:
        """Windows of the whole that cover ``piece`` once."""
        for part in windows((piece.height, piece.width), self._size(_WINDOW, piece.width)):
            yield Window(piece.row + part.row, piece.column + part.column, part.height, part.width)

    def _size(self, side: int, width: int) -> tuple[int, int]:
        rows, columns = self.block
        if columns < self.shape[1]:
            return aligned(self.block, side)
        return rows * max(1, side * side // (rows * width)), width


def map_orthomosaic(
    orthomosaic: Orthomosaic,
    name: str,
    classifier: Classifier,
    *,
    tools: DroneTools,
    emit: Emit,
    clock: Clock,
    progress: Progress | None = None,
    piece: int = PIECE,
) -> DroneSummary:
    """Classify one orthomosaic and emit its result files, manifest.json last.

    Raises BadModel where the classifier is none for the camera; BadProduct where the file is damaged, holds nothing, or
    holds what cannot be reflectances. Layers of earlier pieces are emitted by then: they count without a manifest for
    nothing, and who emits them takes them away.
    """
    if classifier.bands != DRONE_BANDS:
        raise BadModel(
            f"Model {classifier.name} wants {', '.join(classifier.bands)}; an orthomosaic offers "
            f"{', '.join(DRONE_BANDS)}."
        )
    place, plan = orthomosaic.place, Plan(orthomosaic.place.shape, orthomosaic.block)
    sample = Sample.of(place.shape, place.ground.across, DRONE_BANDS, RADIOMETRY, true_colour=("Red", "Green", "Blue"))
    pieces = plan.pieces(piece)
    made = MadeByDrone(name, place, orthomosaic.choice, orthomosaic.taken, classifier, Tally(), len(pieces), clock())
    publication = Publication(made, emit)
    vote, seen = classifier.voter(RADIOMETRY), _seen(plan, pieces, progress)
    for part in pieces:
        with ExitStack() as stack:
            writers = [
                (layer, stack.enter_context(tools.rasters.create(layer, place.part(part), block=(_WINDOW, _WINDOW))))
                for layer in DRONE_LAYERS
            ]
            for window in plan.windows(part):
                numbers = orthomosaic.read(window)
                surface = classify_orthomosaic_window(numbers, vote)
                for layer, writer in writers:
                    writer.write(window.within(part), surface[layer.name])
                sample.decoded(window, numbers)
                sample.take(window, surface)
                made.tally.add(surface)
                seen()
            if part is pieces[-1]:
                _check(sample, made, is_scaled=orthomosaic.is_scaled)
            for layer, writer in writers:
                file = layer_name(name, layer, part if len(pieces) > 1 else None)
                publication.put(file, writer.finish(), COG_TYPE, layer)
    return publication.finish(sample.picture(), tools.quicklook)


def _seen(plan: Plan, pieces: list[Window], progress: Progress | None) -> Callable[[], None]:
    """What is called after each window."""
    todo, done = sum(1 for part in pieces for _ in plan.windows(part)), count(1)
    return lambda: progress(next(done), todo) if progress else None


def _check(sample: Sample, made: MadeByDrone, *, is_scaled: bool) -> None:
    """BadProduct where there is nothing, or no reflectances, or bands in another order."""
    counts = made.tally.quality_counts()
    if counts[Quality.NODATA] == made.tally.pixels_in_all:
        raise BadProduct(f"{made.name} holds no data in all of its five bands.")
    if not made.tally.classified:
        raise BadProduct(f"{made.name} holds no reflectances: all of its pixels lie outside -0.1 to 1.6.")
    reflectance = sample.reflectance()
    if found := fault(reflectance, stated_offset=True):
        raise BadProduct(
            f"{made.name} holds no reflectances as they were expected (see docs/results.md for scales): {found}."
        )
    if found := darkness(reflectance, is_stated=is_scaled):
        raise BadProduct(f"{made.name} {_STATED if is_scaled else _GUESSED}: {found}.{'' if is_scaled else _HINT}")
    brighter = 100 * float((reflectance["NIR"] > reflectance["RedEdge"]).mean()) if reflectance["NIR"].size else 0.0
    if not made.choice.is_named and brighter > _MOST_SWAPPED:
        raise BadProduct(
            f"{made.name} does not name its bands, and the fifth is brighter than the fourth at {brighter:.0f} % of "
            "the pixels: snow and ice are brighter at the red edge than in the near infrared. Name the bands by their "
            f"descriptions, or bring them into the order {', '.join(DRONE_BANDS)}."
        )
