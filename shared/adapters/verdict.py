"""Decides whether a run of ``L2A_Process`` left a usable product: from what was heard, how it ended, what lies there.

Sen2Cor's exit code alone says little: "already processed" ends with 0, and so does a run with an empty IMG_DATA.
Success is exit code 0, the success sentence, every expected file present, readable and of the right size, and
metadata that parse. What else there is stands in `Kind`, and whether another try may help in `TRANSIENT`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from shared.adapters.heard import Heard
from shared.adapters.jp2 import Jp2
from shared.errors import BadName, BadProduct, CorrectionFailed, TransientError
from shared.models import MANIFEST, Level, ProductName
from shared.safe import l2a_files

_SIGKILL = 9
NOT_RUN = (126, 127)  # exit codes of a shell, and of setpriv, for a program that cannot be run
_METRES = re.compile(r"_(10|20|60)m\.jp2$")
_SIDE = 109_800  # metres, of a tile


class Kind(StrEnum):
    """How a run ended."""

    SUCCESS = "success"
    HUNG = "hung"
    OUT_OF_MEMORY = "out of memory"
    DISK_FULL = "disk full"
    NO_DEM = "no elevation model"
    NOT_STARTED = "not started"
    CRASHED = "crashed"
    ALREADY = "already processed"
    ERROR = "error"
    UNSUPPORTED = "unsupported format"
    MISSING = "missing outputs"
    UNREADABLE = "unreadable outputs"
    WRONG_SIZE = "wrong size"
    BAD_METADATA = "unreadable metadata"


# Where another try may end otherwise: more room on another machine, a server of elevation tiles that answers again (it
# is what Sen2Cor has been seen to hang on), an installation that is put right. All else would end the same way again.
TRANSIENT = frozenset({Kind.HUNG, Kind.OUT_OF_MEMORY, Kind.DISK_FULL, Kind.NO_DEM, Kind.NOT_STARTED})


@dataclass(frozen=True, slots=True)
class Verdict:
    """The kind of ending, with a sentence for people."""

    kind: Kind
    reason: str = ""  # empty on success

    def enforce(self) -> None:
        """Return on success; raise `error` otherwise."""
        if self.kind is not Kind.SUCCESS:
            raise self.error()

    def error(self) -> TransientError | CorrectionFailed:
        """The reason as an error: TransientError where another try may help, else CorrectionFailed."""
        return TransientError(self.reason) if self.kind in TRANSIENT else CorrectionFailed(self.reason)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended."""

    code: int  # exit code; negative: the signal that ended it
    seconds: float
    timed_out: bool  # ended by us because the time was up
    heard: Heard = field(default_factory=Heard)
    killed_for_memory: bool = False  # the kernel says that it ended processes of this group for memory
    silent: float = 0.0  # seconds without output and processor time, after which it was ended by us
    peak_memory: int = 0  # bytes; 0: not measured
    peak_disk: int = 0  # bytes; 0: not measured

    @property
    def signal(self) -> int:
        """The signal that ended it, 0 for none; a shell between reports 128 + signal."""
        if self.code < 0:
            return -self.code
        return self.code - 128 if 128 < self.code < 160 else 0


def of_process(ended: Ended, product: ProductName, *, dem_required: bool = False) -> Verdict:
    """Judge the process alone; SUCCESS means that its outputs are worth a look."""
    heard, ok, at = ended.heard, ended.code == 0, f"at {ended.heard.percent:.0f} %"
    killed = heard.no_memory or ended.killed_for_memory or ended.signal == _SIGKILL
    no_dem = dem_required and (heard.flat or (not ok and heard.dem_fault))
    endings = (  # the first that holds
        (
            ended.silent > 0,
            Kind.HUNG,
            f"was stopped {at}: for {ended.silent:.0f} s it had said nothing and computed nothing.",
        ),
        (ended.timed_out, Kind.HUNG, f"was stopped {at} after {ended.seconds:.0f} s, the time limit."),
        (no_dem and not heard.no_disk, Kind.NO_DEM, "found no elevation model, and one is required."),
        (ok and heard.succeeded, Kind.SUCCESS, ""),
        (ok and heard.already, Kind.ALREADY, "wrote nothing: the processor says 'already processed'."),
        (heard.no_disk, Kind.DISK_FULL, f"ended {at}: the disk was full."),
        (killed, Kind.OUT_OF_MEMORY, f"was killed {at}: most likely memory ran out."),
        (ended.signal > 0, Kind.CRASHED, f"crashed {at} with signal {ended.signal}: {heard.last()}"),
        (ended.code in NOT_RUN, Kind.NOT_STARTED, f"could not begin, the program cannot be run: {heard.last()}"),
        (bool(heard.refusal), Kind.UNSUPPORTED, f"was refused: {heard.refusal}"),
        (ok, Kind.ERROR, f"ended with exit code 0 but without the success sentence: {heard.last()}"),
        (True, Kind.ERROR, f"ended {at} with exit code {ended.code}: {heard.last()}"),
    )
    kind, what = next((kind, what) for holds, kind, what in endings if holds)
    return Verdict(kind, f"Correcting {product} {what}" if what else "")


def l2a_of(names: Iterable[str], l1c: ProductName) -> ProductName:
    """The one L2A product of ``l1c`` among folder names; BadProduct where there is none, or more than one.

    The baseline (N9999 marks local processing) and the processing time are new, so they may be anything.
    """
    found = []
    for name in names:
        try:
            product = ProductName.parse(name)
        except BadName:
            continue
        if name == product.safe and product.level is Level.L2A and product.acquisition == l1c.acquisition:
            found.append(product)
    if len(found) != 1:
        told = ", ".join(str(product) for product in sorted(found)) or "none"
        raise BadProduct(f"Correcting {l1c} should leave one L2A folder; it left {told}.")
    return found[0]


def of_files(
    sizes: Mapping[str, int], resolution: int, product: ProductName, *, more: Sequence[str] = ()
) -> tuple[Verdict, Sequence[str]]:
    """Judge the members of an L2A folder (path -> bytes), and name the images to look into: all there are.

    ``more`` are layers that are expected beside what classification reads, such as "AOT": of that resolution.
    """
    try:
        files = l2a_files(sizes, resolution, str(product))
    except BadProduct as error:
        return Verdict(Kind.MISSING, str(error)), ()
    if MANIFEST not in sizes:
        return Verdict(Kind.MISSING, f"{product} is incomplete: {MANIFEST} missing."), ()
    images = [name for name in sizes if name.endswith(".jp2")]
    if lacking := [name for name in more if not any(image.endswith(f"_{name}_{resolution}m.jp2") for image in images)]:
        return Verdict(Kind.MISSING, f"{product} is incomplete at {resolution} m: {', '.join(lacking)} missing."), ()
    if empty := [name for name in (*images, files.product_metadata, files.tile_metadata, MANIFEST) if not sizes[name]]:
        return Verdict(Kind.MISSING, f"{product} holds empty files: {', '.join(empty)}."), ()
    return Verdict(Kind.SUCCESS), images


def of_images(images: Mapping[str, Jp2], shapes: Mapping[int, tuple[int, int]], product: ProductName) -> Verdict:
    """Judge what the headers of the images say; the end of a name tells the resolution ("_20m.jp2").

    ``shapes`` is what the tile's metadata states, pixel size in metres -> rows, columns; where it states nothing for
    a resolution, a whole tile is expected: 5490 pixels a side at 20 m, 1830 at 60 m.
    """
    for name, image in images.items():
        if image.fault:
            return Verdict(Kind.UNREADABLE, f"{name} of {product} {image.fault}.")
        metres = _METRES.search(name)
        if metres is None:  # a preview
            continue
        resolution = int(metres[1])
        rows, columns = shapes.get(resolution, (_SIDE // resolution, _SIDE // resolution))
        if (image.rows, image.columns) != (rows, columns):
            return Verdict(
                Kind.WRONG_SIZE,
                f"{name} of {product} has {image.rows} x {image.columns} pixels; expected {rows} x {columns}.",
            )
    return Verdict(Kind.SUCCESS)
