"""Which members of a corrected product are uploaded: names only.

``20m`` keeps, at the pixel size of the correction:

- the nine bands that the classifier reads, the scene classification, aerosol and water vapour (``IMG_DATA``);
- the probabilities of cloud and of snow (``QI_DATA``), under their new and their old names;
- all metadata (``*.xml``, and with it the processing parameters), manifest.safe, icewatch.json, and the two small
  pictures.

Left out are the other bands and pixel sizes, the true-colour picture, masks handed on from L1C, reports in HTML and the
weather files: more than half of the bytes. manifest.safe stays as it was written and still names them; nothing reads
it as a list of what is there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from shared.models import Keep
from shared.pipeline.attach import ORIGIN
from shared.safe import ICE_BANDS

_LAYERS = "|".join((*ICE_BANDS, "SCL", "AOT", "WVP"))


def kept(names: Iterable[str], keep: Keep, resolution: int, *, also: str = "") -> list[str]:
    """The members to upload, sorted, of all ``names`` in an L2A folder.

    ``resolution`` in metres is that of the correction; ``also`` is a member that is kept in any case.
    """
    if keep == "all":
        return sorted(names)
    wanted = re.compile(
        rf"manifest\.safe|{re.escape(ORIGIN)}|.*\.xml|[^/]*-ql\.jpg|.*/QI_DATA/[^/]*_PVI\.jp2"
        rf"|.*/IMG_DATA/R{resolution}m/[^/]*_({_LAYERS})_{resolution}m\.jp2"
        rf"|.*/QI_DATA/(MSK_(CLDPRB|SNWPRB)|[^/]*_(CLD|SNW))_{resolution}m\.jp2"
    )
    return sorted(name for name in names if wanted.fullmatch(name) or name == also)
