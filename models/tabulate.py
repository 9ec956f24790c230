"""Make the tables of class statistics from the field spectra of the archive: ``python -m models.tabulate --help``.

The measured classes are computed; the classes that were read off a figure are kept as they stand in the table, and
carried to the drone's bands by interpolation between the centres of the satellite's.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from models.spectra import FieldSpectra, drone_responses, read_responses, read_spectra
from models.statistics import FIGURE, STATISTICS, STATISTICS_DRONE, ClassStatistics, as_csv, of_spectra, read_statistics
from shared.safe import ICE_BANDS
from shared.science.drone import DRONE_BANDS, MICASENSE

# Centres in nm of ICE_BANDS (Sentinel-2A, ESA's document COPE-GSEG-EOPG-TN-15-0007).
_CENTRES = (492.4, 559.8, 664.6, 704.1, 740.5, 782.8, 864.7, 1613.7, 2202.4)
_SOURCE = """\
# Surface reflectance per class and band. Source: Cook et al. (2020), The Cryosphere 14, 309-330,
# doi 10.5194/tc-14-309-2020, and its data archive.
# origin field: computed by models/tabulate.py from the field spectra of July 2017, weighted with {responses};
# the columns after max are the correlations of the logarithms within the class.
# origin figure: read off the published figure of all training spectra{more};
# sd is a quarter of the range, correlations are not known.
"""


def tables(spectra: FieldSpectra, responses: Sequence[Path]) -> dict[Path, str]:
    """The text of both tables, by the file each belongs in."""
    figures = [one for one in read_statistics(ICE_BANDS) if one.origin == FIGURE]
    platforms = np.stack([spectra.weighted(read_responses(path, ICE_BANDS)) for path in responses])
    drone = spectra.weighted(drone_responses())[np.newaxis]
    seen = f"the responses of {len(platforms)} Sentinel-2 platforms taken together"
    return {
        STATISTICS: _table(ICE_BANDS, [*of_spectra(platforms, spectra.codes), *figures], seen, ""),
        STATISTICS_DRONE: _table(
            DRONE_BANDS,
            [*of_spectra(drone, spectra.codes), *map(_for_drone, figures)],
            "Gaussian bands of the MicaSense RedEdge",
            ", and interpolated between Sentinel-2 bands",
        ),
    }


def _for_drone(one: ClassStatistics) -> ClassStatistics:
    centres = [centre for centre, _ in MICASENSE.values()]
    moved = {name: np.interp(centres, _CENTRES, getattr(one, name)) for name in ("mean", "sd", "low", "high")}
    return replace(one, **moved)


def _table(bands: Sequence[str], classes: Sequence[ClassStatistics], responses: str, more: str) -> str:
    head = ",".join(["class", "origin", "count", "band", "mean", "sd", "min", "max", *bands])
    ordered = sorted(classes, key=lambda one: one.surface)
    return _SOURCE.format(responses=responses, more=more) + head + "\n" + as_csv(ordered, bands)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m models.tabulate", description="Compute the shipped statistics.")
    parser.add_argument("spectra", type=Path, help="CSV of field spectra")
    parser.add_argument("labels", type=Path, help="CSV with the columns spectrum and class")
    parser.add_argument("responses", type=Path, nargs="+", help="table of band responses, one per platform")
    chosen = parser.parse_args()
    for path, text in tables(read_spectra(chosen.spectra, chosen.labels), chosen.responses).items():
        path.write_text(text)
        print(path)


if __name__ == "__main__":
    main()
