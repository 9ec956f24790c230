"""What the catalogue of the Copernicus Data Space Ecosystem answers (OData), parsed or refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.errors import ProviderUnavailable
from shared.messages import ChecksumText
from shared.models import Checksum, Product, ProductName, TileMonth, shown

PRODUCT_ID = r"^[A-Za-z0-9-]{1,100}$"
_PER_PAGE = 1000  # the most the catalogue gives


class Page(BaseModel):
    """One page of a search; its entries are parsed one by one, so that a bad one spoils no other."""

    entries: list[Any] = Field(alias="value")
    next_link: str | None = Field(alias="@odata.nextLink", default=None, max_length=10_000)

    @classmethod
    def parse(cls, body: bytes) -> Page:
        """Read the JSON text; raise ProviderUnavailable where it is no page."""
        try:
            return cls.model_validate_json(body)
        except ValidationError as cause:
            fault = cause.errors(include_url=False)[0]
            raise ProviderUnavailable(
                f"The Copernicus catalogue answers with something that is no page of products: {shown(fault['msg'])}."
            ) from cause


class _Attribute(BaseModel):
    name: str = Field(alias="Name")
    value: Any = Field(alias="Value", default=None)


class _Entry(BaseModel):
    model_config = ConfigDict(allow_inf_nan=False)

    id: str = Field(alias="Id", pattern=PRODUCT_ID)
    name: str = Field(alias="Name", max_length=200)
    size: int = Field(alias="ContentLength", ge=0, default=0)
    published: datetime = Field(alias="PublicationDate")
    online: bool = Field(alias="Online", default=True)
    checksums: list[Any] = Field(alias="Checksum", default=[])
    attributes: list[_Attribute] = Field(alias="Attributes", default=[])


def product_of(entry: Any) -> Product:
    """The product that a catalogue entry describes; raise ValueError or BadName where it does not parse."""
    parsed = _Entry.model_validate(entry)
    published = parsed.published if parsed.published.tzinfo else parsed.published.replace(tzinfo=UTC)
    return Product(
        id=parsed.id,
        name=ProductName.parse(parsed.name),
        size=parsed.size,
        checksums=tuple(digest for text in parsed.checksums if (digest := _checksum(text))),
        published=published.astimezone(UTC),
        online=parsed.online,
        cloud_cover=_cloud_cover(parsed.attributes),
    )


def _checksum(entry: Any) -> Checksum | None:
    """The digest, None where the provider left it empty, as it does for a while after publication."""
    try:
        algorithm, value = str(entry["Algorithm"]).upper(), str(entry["Value"]).lower()
        text = ChecksumText(algorithm=algorithm, value=value)
    except (KeyError, TypeError, ValidationError):
        return None
    return Checksum(text.algorithm, text.value)


def _cloud_cover(attributes: list[_Attribute]) -> float | None:
    for attribute in attributes:
        if attribute.name == "cloudCover" and isinstance(attribute.value, int | float):
            return float(attribute.value) if 0 <= attribute.value <= 100 else None  # percent
    return None


def query(month: TileMonth) -> dict[str, str]:
    """The query of a search for all L1C products of one tile sensed in one month, oldest first."""
    conditions = (
        "Collection/Name eq 'SENTINEL-2'",
        _attribute_is("productType", "S2MSI1C"),
        _attribute_is("tileId", month.tile.name),
        f"ContentDate/Start ge {_instant(month.start)}",
        f"ContentDate/Start lt {_instant(month.end)}",
    )
    return {
        "$filter": " and ".join(conditions),
        "$orderby": "ContentDate/Start asc",
        "$top": str(_PER_PAGE),
        "$expand": "Attributes",
    }


def _attribute_is(name: str, value: str) -> str:
    kind = "OData.CSC.StringAttribute"
    return f"Attributes/{kind}/any(att:att/Name eq '{name}' and att/{kind}/Value eq '{value}')"


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}.000Z"
