"""What pydantic found wrong, as a person reads it."""

from __future__ import annotations

from pydantic import ValidationError

from shared.models import shown


def first_fault(error: ValidationError, whole: str) -> str:
    """The first fault as "place: sentence" without its full stop; ``whole`` is the place of a fault of everything."""
    fault = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in fault["loc"]) or whole
    return f"{shown(place)}: {shown(fault['msg'].removeprefix('Value error, '), 300).removesuffix('.')}"
