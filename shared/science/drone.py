"""The MicaSense RedEdge, the multispectral camera that drones carry."""

from __future__ import annotations

# Band in the order of the camera's own files: centre and full width at half maximum in nm (manufacturer's data sheet).
MICASENSE = {"Blue": (475, 20), "Green": (560, 20), "Red": (668, 10), "RedEdge": (717, 10), "NIR": (840, 40)}
DRONE_BANDS = tuple(MICASENSE)
