"""The names, times and angles of a synthetic product that several of its files repeat."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from local.scenes.landscape import METRES, footprint
from local.scenes.place import Corner, corner, sun
from local.scenes.spec import SceneSpec, Swath
from shared.models import ProductName

_ORBITS_PER_DAY = 14.3  # 143 orbits in 10 days
# Absolute and relative orbit of one real product of each satellite, with its sensing time.
_KNOWN_ORBITS = {
    "S2A": (31632, 32, "2021-07-13T03:20:51+00:00"),
    "S2B": (1915, 30, "2017-07-19T00:02:19+00:00"),
}


@dataclass(frozen=True, slots=True)
class Identity:
    """The names and angles that several files of one product repeat."""

    product: ProductName
    centre: str  # who processed it
    orbit: int  # absolute
    strip_start: datetime  # of the datastrip
    corner: Corner
    sun_zenith: float  # degrees, at the middle of the scene
    sun_azimuth: float  # degrees clockwise from north
    footprint: str  # "lat lon lat lon ...", closed
    ring: tuple[tuple[float, float], ...]  # the same as (longitude, latitude)

    @property
    def version(self) -> str:
        """The baseline as metadata writes it: 05.11."""
        return f"{self.product.baseline[:2]}.{self.product.baseline[2:]}"

    @property
    def start(self) -> str:
        """Sensing start of the datatake; ESA's products end in .024Z."""
        return f"{self.product.sensing:%Y-%m-%dT%H:%M:%S}.024Z"

    @property
    def made(self) -> str:
        """Generation time."""
        return f"{self.product.discriminator:%Y-%m-%dT%H:%M:%S}.000000Z"

    @property
    def datatake(self) -> str:
        """Datatake identifier."""
        return f"G{self.product.platform}_{self.product.stamp}_{self.orbit:06d}_N{self.version}"

    def pdi(self, kind: str) -> str:
        """Identifier of the datastrip (``DS``) or tile (``TL``)."""
        where = f"S{_stamp(self.strip_start)}" if kind == "DS" else f"A{self.orbit:06d}_T{self.product.tile}"
        made = _stamp(self.product.discriminator)
        return f"{self.product.platform}_OPER_MSI_L1C_{kind}_{self.centre}_{made}_{where}_N{self.version}"

    @property
    def granule(self) -> str:
        """Name of the granule's folder."""
        return f"L1C_T{self.product.tile}_A{self.orbit:06d}_{_stamp(self.strip_start)}"

    @property
    def datastrip(self) -> str:
        """Name of the datastrip's folder."""
        return f"DS_{self.centre}_{_stamp(self.product.discriminator)}_S{_stamp(self.strip_start)}"

    def image(self, band: str) -> str:
        """Path of a band inside the product, without .jp2."""
        return f"GRANULE/{self.granule}/IMG_DATA/T{self.product.tile}_{self.product.stamp}_{band}"


def identify(spec: SceneSpec) -> Identity:
    """Work out the identity of the product of ``spec``."""
    name, place = spec.name, corner(spec.name.tile)
    side = spec.size * METRES
    points = [(place.east + x * side, place.north - y * side) for x, y in footprint(spec)]
    *ring, middle = _to_degrees(place.epsg, [*points, (place.east + side / 2, place.north - side / 2)])
    zenith, azimuth = sun(name.sensing, middle[1], middle[0])
    return Identity(
        product=name,
        centre=_centre(name),
        orbit=absolute_orbit(name),
        strip_start=name.sensing + timedelta(seconds=16 if spec.swath is Swath.SOUTH else 3),
        corner=place,
        sun_zenith=zenith,
        sun_azimuth=azimuth,
        footprint=" ".join(f"{lat:.12f} {lon:.12f}" for lon, lat in ring),
        ring=tuple(ring),
    )


def absolute_orbit(name: ProductName) -> int:
    """The orbit number since launch that fits the date and the relative orbit (S2A's count for unknown satellites)."""
    orbit, relative, when = _KNOWN_ORBITS.get(name.platform, _KNOWN_ORBITS["S2A"])
    passed = round((name.sensing - datetime.fromisoformat(when)).total_seconds() / 86400 * _ORBITS_PER_DAY)
    behind = (name.orbit - relative - passed + 71) % 143 - 71
    return max(1, orbit + passed + behind)


def _centre(name: ProductName) -> str:
    if name.discriminator - name.sensing > timedelta(days=180):
        return "S2RP"  # the Collection-1 reprocessing
    return "2APS" if int(name.baseline) >= 500 else "VGS4"


def _stamp(when: datetime) -> str:
    return f"{when:%Y%m%dT%H%M%S}"


def _to_degrees(epsg: int, points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    from rasterio.warp import transform

    longitude, latitude = transform(f"EPSG:{epsg}", "EPSG:4326", *zip(*points, strict=True))
    return list(zip(longitude, latitude, strict=True))
