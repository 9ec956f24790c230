"""What training refuses."""

from __future__ import annotations

from shared.errors import PermanentError


class BadTable(PermanentError):
    """A table of spectra, labels, responses or class statistics that cannot be used."""
