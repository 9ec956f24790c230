"""lookup: the row that a name from outside means, whichever partition of the ledger holds it.

A row lies in the partition of its tile, which a product's name says. Orthomosaics and what was refused have partitions
of their own; an entry of the catalogue whose name does not parse, such as one in the format of before 2016-12-06, lies
with the tile of the month it was listed for.
"""

from __future__ import annotations

from shared.errors import BadName, NotFound
from shared.models import ProductName, State, Tile, shown
from shared.ports import Ledger
from shared.records import DRONE, REFUSED, Record


def known(ledger: Ledger, name: str) -> Record:
    """The row of a product by its name or its L2A's, of an orthomosaic, or of a refused thing.

    Raises NotFound where there is none.
    """
    record = _of_tile(ledger, name) or ledger.get(DRONE, name) or ledger.get(REFUSED, name)
    record = record or next((row for row in ledger.in_state(State.SKIPPED) if row.name == name), None)
    if record is None:
        raise NotFound(f"The ledger knows no product {shown(name)}.")
    return record


def _of_tile(ledger: Ledger, name: str) -> Record | None:
    try:
        product = ProductName.parse(name)
    except BadName:
        return None
    found = ledger.get(product.tile.name, str(product)) or ledger.by_l2a(product.tile, str(product))
    if found is None:  # then nobody else has it either: what follows reads many rows
        raise NotFound(f"The ledger knows no product {product}.")
    return found


def partition_of(text: str) -> str:
    """The partition that a filter names: a tile, DRONE or REFUSED; BadName for anything else."""
    return text if text in {DRONE, REFUSED} else Tile.parse(text).name
