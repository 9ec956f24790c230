"""Whether a service on the web answers at all, without logging in."""

from __future__ import annotations

from urllib.parse import urlsplit

from shared.models import shown


def reached(catalogue_url: str, *, seconds: float) -> str:
    """Ask the catalogue at this OData address the smallest question: "ok", or a sentence where no answer comes."""
    import httpx

    host = urlsplit(catalogue_url).netloc
    try:
        answer = httpx.get(f"{catalogue_url}/Products", params={"$top": "1"}, timeout=seconds)
    except httpx.HTTPError as error:
        return f"The catalogue at {host} cannot be reached: {shown(type(error).__name__)}."
    if answer.status_code >= 400:
        return f"The catalogue at {host} answers with status {answer.status_code}."
    return "ok"
