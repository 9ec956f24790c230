"""From an L2A product to result files: what the classify step and the command line share.

    map_surface(members, product, classifier, tools=..., options=..., emit=..., clock=...)

The masks come first: a rejected acquisition decodes no spectral band, and windows without a usable pixel are
skipped. Windows follow the blocks of the product's images and run on ``options.threads`` threads; results do
not depend on the windows or the threads. Memory holds the compressed images, one byte per pixel of masks, the
compressed layers, a few windows and, where parameters are retrieved, which spectrum each pixel is like. Of finished
files it holds as few: each is emitted as soon as its turn comes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt

from shared.cloud import CloudRule
from shared.errors import BadModel, BadSetting
from shared.models import ProductName
from shared.pipeline.ahead import as_done, in_turn
from shared.pipeline.surface_ports import Emit, IceMask, LayerWriter, Members, Progress, Quicklook, Raster, Rasters
from shared.pipeline.surface_results import Made, Rejected, Summary, publish
from shared.pipeline.surface_retrieval import Retrieval, all_layers, grown_layers
from shared.pipeline.surface_sample import Sample
from shared.pipeline.surface_source import Source, opened_rasters, read_source
from shared.ports import Clock
from shared.safe import ICE_BANDS
from shared.science.classes import Quality
from shared.science.forest import Classifier, Voter
from shared.science.layers import Layer
from shared.science.masks import Usability, count, masked
from shared.science.reflectance import Radiometry
from shared.science.retrieval import LookupTable
from shared.science.statistics import Tally
from shared.science.surface import Surface, classify_window, unclassified
from shared.science.windows import Grid, Window, aligned, windows

_RESOLUTIONS = (20, 60)
_BLOCK = (512, 512)  # pixels, of layers that are made from what was noted


@dataclass(frozen=True, slots=True)
class Options:
    """What may be chosen about one run."""

    resolution: int | None = 20  # metres, 20 or 60; none: 20, or 60 where only that is complete
    cloud_probability: int = 20  # percent; a pixel at or above is cloud
    cloud_rule: CloudRule = CloudRule.EITHER  # which of the two cloud masks count
    minimum_usable: float = 40.0  # percent of the whole tile; below, the acquisition is rejected
    ice_mask: IceMask | None = None  # none: the whole tile counts as ice
    lookup_table: LookupTable | None = None  # none: nothing is retrieved
    threads: int = 1
    window: int = 640  # pixels, side of a window; rounded to whole blocks

    def __post_init__(self) -> None:
        if self.resolution not in {None, *_RESOLUTIONS}:
            raise BadSetting(f"The resolution is {self.resolution} m; expected 20 or 60.")
        if not 0 <= self.cloud_probability <= 100:
            raise BadSetting(f"The cloud probability is {self.cloud_probability} %; expected 0 to 100.")
        if not 0 <= self.minimum_usable <= 100:
            raise BadSetting(f"The minimum usable share is {self.minimum_usable:g} %; expected 0 to 100.")
        if self.threads < 1 or self.window < 1:
            raise BadSetting(f"{self.threads} threads and windows of {self.window} pixels cannot work.")


@dataclass(frozen=True, slots=True)
class Tools:
    """The adapters a run needs."""

    rasters: Rasters
    quicklook: Quicklook


@dataclass(frozen=True, slots=True)
class _Engine:
    """What turns numbers into layers."""

    classifier: Classifier
    vote: Voter  # of the classifier, for this product's numbers
    rasters: Rasters
    options: Options
    progress: Progress | None
    retrieval: Retrieval | None  # for this product

    def complete(self, surface: Surface, window: Window, numbers: npt.NDArray[np.uint16] | None = None) -> Surface:
        """The layers of ``window`` with what is retrieved, where anything is."""
        return surface if self.retrieval is None else self.retrieval.added(surface, window, numbers)


@dataclass(slots=True)
class _Pass:
    """What one pass over all windows gathers."""

    tally: Tally
    sample: Sample
    writers: dict[str, LayerWriter] = field(default_factory=dict)  # layer name -> writer

    def take(self, window: Window, surface: Surface) -> None:
        for name, writer in self.writers.items():
            writer.write(window, surface[name])
        self.tally.add(surface)
        self.sample.take(window, surface)


def map_surface(
    members: Members,
    product: ProductName,
    classifier: Classifier,
    *,
    tools: Tools,
    options: Options,
    emit: Emit,
    clock: Clock,
    processor: str = "",
    progress: Progress | None = None,
) -> Summary | Rejected:
    """Classify one L2A product and emit its result files, manifest.json last.

    ``processor`` names what corrected the product, where the metadata does not say so. A rejected acquisition
    emits nothing. Raises BadProduct where a file is missing, damaged or of another size than the metadata says, or
    where the reflectances cannot be what the metadata makes of them (`shared.science.selftest`), BadModel where the
    classifier wants other bands, BadSetting where the ice mask cannot be used; up to then nothing has been emitted.
    """
    _check_bands(classifier)
    source = read_source(members, product, options.resolution)
    with ThreadPoolExecutor(1, thread_name_prefix="voter") as aside:  # compiles, where it must, beside the decoding
        voter = aside.submit(classifier.voter, _radiometry(source, classifier))
        quality = _masks(source, tools.rasters, options)
    usability = Usability(count(quality))
    if not usability.suffices(options.minimum_usable):
        return Rejected(usability, options.minimum_usable)
    # Only now: of a large table it takes seconds, which a rejected acquisition should not wait for.
    retrieval = _retrieval(source, classifier, options.lookup_table)
    engine = _Engine(classifier, voter.result(), tools.rasters, options, progress, retrieval)
    with _all_windows(source, quality, engine) as result:
        usability = Usability(result.tally.quality_counts())  # bands may lack data that the masks claim
        if not usability.suffices(options.minimum_usable):
            return Rejected(usability, options.minimum_usable)
        made = Made(
            product=product,
            processor=source.metadata.correction or processor or _usual_processor(product),
            metadata=source.metadata,
            tile=source.tile,
            grid=source.grid,
            classifier=classifier,
            cloud_probability=options.cloud_probability,
            cloud_rule=options.cloud_rule,
            minimum_usable=options.minimum_usable,
            ice_mask=options.ice_mask.name if options.ice_mask else None,
            tally=result.tally,
            retrieval=engine.retrieval,
            created=clock(),
        )
        makers = _makers(result, source.grid, engine)
        with in_turn(makers, options.threads) as layers:  # the self-test need not wait for them
            result.sample.check(product)
            picture = result.sample.picture()
            return publish(made, layers, picture, rasters=tools.rasters, quicklook=tools.quicklook, emit=emit)


def _makers(result: _Pass, grid: Grid, engine: _Engine) -> dict[str, Callable[[], bytes]]:
    """For each layer, in order of publication, what makes its file."""
    makers: dict[str, Callable[[], bytes]] = {name: writer.finish for name, writer in result.writers.items()}
    if (retrieval := engine.retrieval) is None:
        return makers
    for layer in retrieval.layers:
        makers.setdefault(layer.name, partial(_retrieved, layer, retrieval, grid, engine.rasters))
    return {layer.name: makers[layer.name] for layer in all_layers(retrieval)}


def _retrieved(layer: Layer, retrieval: Retrieval, grid: Grid, rasters: Rasters) -> bytes:
    """The file of a retrieved parameter, which no writer grew during the pass: many would not fit the memory."""
    with rasters.create(layer, grid, block=_BLOCK) as writer:
        for window in windows(grid.shape, _BLOCK):
            writer.write(window, retrieval.values(layer, window))
        return writer.finish()


def _check_bands(classifier: Classifier) -> None:
    if set(classifier.bands) != set(ICE_BANDS):
        raise BadModel(
            f"Model {classifier.name} wants {', '.join(classifier.bands)}; mapping a product takes a model of "
            f"{', '.join(ICE_BANDS)}, in any order."
        )


def _radiometry(source: Source, classifier: Classifier) -> Radiometry:
    facts = source.metadata
    return Radiometry.of(classifier.bands, facts.offsets, facts.quantification, facts.nodata, facts.saturated)


def _retrieval(source: Source, classifier: Classifier, table: LookupTable | None) -> Retrieval | None:
    if table is None:
        return None
    radiometry = _radiometry(source, classifier)
    return Retrieval.of(table, source.tile.sun_zenith, classifier.bands, radiometry, source.grid.shape)


def _usual_processor(product: ProductName) -> str:
    return "Sen2Cor" if product.is_local else "provider"


def _masks(source: Source, rasters: Rasters, options: Options) -> npt.NDArray[np.uint8]:
    """Quality codes of the whole tile from SCL, cloud probability and ice mask."""
    ice = options.ice_mask.on(source.grid) if options.ice_mask else None
    pieces = {"SCL": source.files.scl, "the cloud probability": source.files.cloud_probability}
    quality = np.empty(source.grid.shape, np.uint8)
    with opened_rasters(source, pieces, rasters, options.threads) as opened:

        def read(readers: list[Raster], window: Window) -> npt.NDArray[np.uint8]:
            scl, probability = (raster.read(window) for raster in readers)
            on_ice = None if ice is None else ice[window.slices]
            return masked(scl, probability, on_ice, cloud_limit=options.cloud_probability, rule=options.cloud_rule)

        size = aligned(opened[0][0].block, options.window)
        for window, codes in as_done(windows(source.grid.shape, size), opened, read):
            quality[window.slices] = codes
    return quality


@contextmanager
def _all_windows(source: Source, quality: npt.NDArray[np.uint8], engine: _Engine) -> Iterator[_Pass]:
    """Classify window by window into layer writers, which stay open inside the ``with`` block."""
    classifier, options = engine.classifier, engine.options
    radiometry = _radiometry(source, classifier)
    result = _Pass(Tally(), Sample.of(source.grid.shape, source.grid.pixel, classifier.bands, radiometry))

    def work(readers: list[Raster], window: Window) -> Surface:
        codes = quality[window.slices]
        if not (codes == Quality.CLASSIFIED).any():
            return engine.complete(unclassified(codes), window)
        numbers = _decoded(readers, window, codes, radiometry.nodata)
        result.sample.decoded(window, numbers)
        surface = classify_window(numbers, codes, radiometry, classifier, vote=engine.vote)
        return engine.complete(surface, window, numbers)

    pieces = {band: source.files.bands[band] for band in classifier.bands}
    with ExitStack() as stack:
        with opened_rasters(source, pieces, engine.rasters, options.threads) as opened:
            block = opened[0][0].block
            plan = list(windows(source.grid.shape, aligned(block, options.window)))
            for layer in grown_layers(engine.retrieval):
                result.writers[layer.name] = stack.enter_context(engine.rasters.create(layer, source.grid, block=block))
            for done, (window, surface) in enumerate(as_done(plan, opened, work), start=1):
                result.take(window, surface)
                if engine.progress:
                    engine.progress(done, len(plan))
        yield result


def _decoded(
    readers: list[Raster], window: Window, quality: npt.NDArray[np.uint8], nodata: int
) -> npt.NDArray[np.uint16]:
    """Numbers (bands, rows, columns) of a window; blocks without a usable pixel are not decoded and hold ``nodata``.

    So what is decoded, and what a picture of it shows, does not depend on the windows either.
    """
    numbers = np.full((len(readers), window.height, window.width), nodata, np.uint16)
    for block in windows((window.height, window.width), readers[0].block):
        if (quality[block.slices] == Quality.CLASSIFIED).any():
            part = Window(window.row + block.row, window.column + block.column, block.height, block.width)
            for band, raster in zip(numbers, readers, strict=True):
                band[block.slices] = raster.read(part)
    return numbers
