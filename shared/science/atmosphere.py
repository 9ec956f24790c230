"""A simple atmosphere between the surface and Sentinel-2: molecules, a light aerosol, water vapour.

Reflectance at the top of the atmosphere over a uniform Lambertian surface, after Vermote et al. (1997), "Second
Simulation of the Satellite Signal in the Solar Spectrum, 6S", IEEE TGRS 35(3), eq. 4, for a view from the zenith:

    toa = gas * (path + transmittance * surface / (1 - albedo * surface))

It serves the synthetic scenes (forward) and the approximate correction (backward); it is no Sen2Cor. Left out:
ozone, terrain, the view angle, the reflectance of neighbours, polarisation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.errors import BadProduct

Reflectance = NDArray[np.float32]

# Central wavelengths of Sentinel-2A in nm, as its product metadata states them (Spectral_Information/CENTRAL).
WAVELENGTHS: Mapping[str, float] = {
    "B01": 442.7,
    "B02": 492.7,
    "B03": 559.8,
    "B04": 664.6,
    "B05": 704.1,
    "B06": 740.5,
    "B07": 782.8,
    "B08": 832.8,
    "B8A": 864.7,
    "B09": 945.1,
    "B10": 1373.5,
    "B11": 1613.7,
    "B12": 2202.4,
}
MAX_SUN_ZENITH = 80.0  # degrees; beyond, a flat atmosphere does not hold (Sen2Cor's own limit is 70)
_ANGSTROM = 1.3  # exponent of the aerosol's optical depth, continental background (Eck et al. 1999)
_ASYMMETRY = 0.65  # of the aerosol's phase function
_SINGLE_SCATTERING = 0.95  # albedo of the aerosol's single scattering
_FORWARD = 0.84  # share of the aerosol's scattering that goes forward (Gordon et al. 1983)


@dataclass(frozen=True, slots=True)
class Atmosphere:
    """What one band sees of the atmosphere; all numbers are fractions of one."""

    gas: float  # two-way transmittance of water vapour; 0 where the surface is invisible
    path: float  # reflectance of the air over a black surface
    transmittance: float  # down times up, direct and diffuse
    albedo: float  # of the sky, seen from below

    def toa(self, surface: Reflectance) -> Reflectance:
        """Top-of-atmosphere reflectance (same shape) of a surface of reflectance ``surface`` (0-1)."""
        seen = self.transmittance * surface / (1.0 - self.albedo * surface)
        return np.asarray(self.gas * (self.path + seen), dtype=np.float32)

    def surface(self, toa: Reflectance) -> Reflectance:
        """Surface reflectance (same shape) under the top-of-atmosphere reflectance ``toa``: the inverse of ``toa``.

        Raises BadProduct where the band does not see the surface (B10).
        """
        if self.gas <= 0:
            raise BadProduct("A band that the atmosphere blocks has no surface reflectance.")
        seen = (toa / self.gas - self.path) / self.transmittance
        return np.asarray(seen / (1.0 + self.albedo * seen), dtype=np.float32)


def atmosphere(
    band: str, sun_zenith: float, *, aerosol: float, water_vapour: float = 0.8, pressure: float = 1013.25
) -> Atmosphere:
    """The atmosphere of ``band`` for one position of the sun.

    ``sun_zenith`` in degrees, ``aerosol`` the optical depth at 550 nm, ``water_vapour`` the column in cm,
    ``pressure`` at the surface in hPa. Raises BadProduct where the sun stands too low.
    """
    if not 0 <= sun_zenith <= MAX_SUN_ZENITH:
        raise BadProduct(
            f"The sun stands {sun_zenith:g} degrees from the zenith; the atmosphere model holds "
            f"from 0 to {MAX_SUN_ZENITH:g}."
        )
    sun = float(np.cos(np.radians(sun_zenith)))
    rayleigh = rayleigh_depth(WAVELENGTHS[band]) * pressure / 1013.25
    haze = aerosol * (WAVELENGTHS[band] / 550.0) ** -_ANGSTROM
    molecules = _single_scattering(rayleigh, 0.75 * (1 + sun**2), sun)
    particles = _single_scattering(haze, _SINGLE_SCATTERING * _henyey_greenstein(-sun), sun)
    return Atmosphere(
        gas=_gas(band, water_vapour, 1 / sun + 1),
        path=molecules + particles,
        transmittance=_transmittance(rayleigh, haze, sun) * _transmittance(rayleigh, haze, 1.0),
        albedo=_spherical_albedo(rayleigh + (1 - _ASYMMETRY) * haze),
    )


def rayleigh_depth(wavelength: float) -> float:
    """Optical depth of the molecules at sea level; ``wavelength`` in nm (Hansen and Travis 1974, eq. 2.30)."""
    inverse = (wavelength / 1000.0) ** -2
    return float(0.008569 * inverse**2 * (1 + 0.0113 * inverse + 0.00013 * inverse**2))


def direct_share(band: str, sun_zenith: float, *, aerosol: float) -> float:
    """Share of the light at the ground that comes straight from the sun; the rest fills the shadows."""
    sun = float(np.cos(np.radians(sun_zenith)))
    rayleigh = rayleigh_depth(WAVELENGTHS[band])
    haze = aerosol * (WAVELENGTHS[band] / 550.0) ** -_ANGSTROM
    return float(np.exp(-(rayleigh + haze) / sun)) / _transmittance(rayleigh, haze, sun)


def _single_scattering(depth: float, phase: float, sun: float) -> float:
    """Reflectance of a layer seen from the zenith, light scattered once (Hansen and Travis 1974)."""
    return float(phase / (4 * (sun + 1)) * (1 - np.exp(-depth * (1 / sun + 1))))


def _henyey_greenstein(cosine: float) -> float:
    return float((1 - _ASYMMETRY**2) / (1 + _ASYMMETRY**2 - 2 * _ASYMMETRY * cosine) ** 1.5)


def _transmittance(rayleigh: float, haze: float, cosine: float) -> float:
    """Direct and diffuse light along one way (Gordon et al. 1983: half of what molecules scatter goes on)."""
    lost = 0.5 * rayleigh + (1 - _SINGLE_SCATTERING * _FORWARD) * haze
    return float(np.exp(-lost / cosine))


def _spherical_albedo(depth: float) -> float:
    """Of a conservative layer (Vermote et al. 1997, eq. 7); E3 by Gauss-Legendre quadrature on (0, 1)."""
    nodes, weights = np.polynomial.legendre.leggauss(32)
    mu = (nodes + 1) / 2
    e3 = float(np.sum(weights / 2 * mu * np.exp(-depth / mu)))
    return float((3 * depth - e3 * (4 + 2 * depth) + 2 * np.exp(-depth)) / (4 + 3 * depth))


def _gas(band: str, water_vapour: float, airmass: float) -> float:
    """Water vapour near 940 nm (Kaufman and Gao 1992: exp(0.02 - 0.651 sqrt(column))); B10 is opaque; others clear."""
    if band == "B10":
        return 0.0
    if band == "B09":
        return float(min(1.0, np.exp(0.02 - 0.651 * np.sqrt(water_vapour * airmass))))
    return 1.0
