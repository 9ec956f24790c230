"""What the catalogue of the Copernicus Data Space Ecosystem answers (OData), parsed or refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from shared.errors import BadMessage, ProviderUnavailable
from shared.messages import ChecksumText
from shared.models import Checksum, Level, Product, ProductName, Tile, in_mission, shown
from shared.ports import Deletion, Unsupported
from shared.refusals import first_fault

PRODUCT_ID = r"^[A-Za-z0-9-]{1,100}$"
_PER_PAGE = 1000  # the most the catalogue gives
_MOST_PUSH = 1024 * 1024  # bytes
_PRODUCT_TYPES = {Level.L1C: "S2MSI1C", Level.L2A: "S2MSI2A"}


_MOST_BYTES = 2**40  # of one product; real ones stay below 2 GiB
_DIGESTS = ("MD5", "BLAKE3", "SHA256", "SHA3-256")  # what a provider may state; the rest is left out
Instant = Annotated[datetime, AfterValidator(in_mission)]


class Page(BaseModel):
    """One page of a search; its entries are parsed one by one, so that a bad one spoils no other."""

    entries: list[Any] = Field(alias="value")
    next_link: str | None = Field(alias="@odata.nextLink", default=None, max_length=10_000)
    count: int | None = Field(alias="@odata.count", default=None, ge=0)  # of all entries, over all pages

    @classmethod
    def parse(cls, body: bytes) -> Page:
        """Read the JSON text; raise ProviderUnavailable where it is no page."""
        try:
            return cls.model_validate_json(body)
        except ValidationError as cause:
            raise ProviderUnavailable(
                f"The Copernicus catalogue answers with no page of products; at {first_fault(cause, 'the whole page')}."
            ) from cause


def _or(default: Any) -> BeforeValidator:
    """What the provider knows nothing of may be null as well as missing."""
    return BeforeValidator(lambda value: default if value is None else value)


class _Entry(BaseModel):
    model_config = ConfigDict(allow_inf_nan=False)

    id: str = Field(alias="Id", pattern=PRODUCT_ID)
    name: str = Field(alias="Name", max_length=200)
    size: Annotated[int, Field(ge=0, le=_MOST_BYTES), _or(0)] = Field(alias="ContentLength", default=0)
    published: Instant = Field(alias="PublicationDate")
    modified: Instant | None = Field(alias="ModificationDate", default=None)
    online: Annotated[bool, _or(True)] = Field(alias="Online", default=True)
    checksums: Annotated[list[Any], _or([])] = Field(alias="Checksum", default=[])
    attributes: Annotated[list[Any], _or([])] = Field(alias="Attributes", default=[])


class _LongEntry(BaseModel):
    """What is used of a product in the long format of before 2016-12-06."""

    class Dates(BaseModel):
        start: Instant = Field(alias="Start")

    id: str = Field(alias="Id", pattern=PRODUCT_ID)
    name: str = Field(alias="Name", max_length=200)
    dates: Dates | None = Field(alias="ContentDate", default=None)


class _DeletedEntry(BaseModel):
    id: str = Field(alias="Id", pattern=PRODUCT_ID)
    name: str = Field(alias="Name", max_length=200)
    at: Instant = Field(alias="DeletionDate")
    cause: str = Field(alias="DeletionCause", default="")


class _Notification(BaseModel):
    event: str = Field(alias="SubscriptionEvent", max_length=100)
    entry: dict[str, Any] = Field(alias="value")


def product_of(entry: Any) -> Product:
    """The product that a catalogue entry describes; raise ValueError or BadName where it does not parse."""
    parsed = _Entry.model_validate(entry)
    return Product(
        id=parsed.id,
        name=ProductName.parse(parsed.name),
        size=parsed.size,
        checksums=_checksums(parsed.checksums),
        published=parsed.published,
        online=parsed.online,
        cloud_cover=_cloud_cover(parsed.attributes),
        modified=parsed.modified,
    )


def unsupported_of(entry: Any, reason: str) -> Unsupported:
    """The entry of a product in the long format; raise ValueError where it does not parse."""
    parsed = _LongEntry.model_validate(entry)
    sensing = None if parsed.dates is None else parsed.dates.start
    return Unsupported(parsed.id, parsed.name.removesuffix(".SAFE"), sensing, reason)


def deletion_of(entry: Any) -> Deletion:
    """The deletion that an entry of DeletedProducts describes; raise ValueError where it does not parse."""
    parsed = _DeletedEntry.model_validate(entry)
    cause = shown(parsed.cause) or "no cause given"
    return Deletion(parsed.id, parsed.name.removesuffix(".SAFE"), parsed.at, cause)


def parse_push(body: bytes) -> Product:
    """The product that a push notification of a subscription announces.

    Raises BadMessage where the body is no such notification, BadName or LongProductName where the product's name is
    none IceWatch accepts. Source: Copernicus Data Space Ecosystem documentation, "Subscriptions".
    """
    if len(body) > _MOST_PUSH:
        raise BadMessage(f"The notification is {len(body)} bytes long; at most {_MOST_PUSH} are accepted.")
    try:
        parsed = _Notification.model_validate_json(body)
        if parsed.event not in {"created", "modified"}:
            raise BadMessage(f"The notification is of '{shown(parsed.event)}'; expected created or modified.")
        return product_of(parsed.entry)
    except ValidationError as cause:
        raise BadMessage(f"The notification does not parse at {first_fault(cause, 'the whole body')}.") from cause


def _checksums(stated: list[Any]) -> tuple[Checksum, ...]:
    """One digest per known algorithm."""
    found = {digest.algorithm: digest for text in stated if (digest := _checksum(text))}
    return tuple(found[name] for name in _DIGESTS if name in found)


def _checksum(entry: Any) -> Checksum | None:
    """The digest, None where the provider left it empty, as it does for a while after publication."""
    try:
        algorithm, value = str(entry["Algorithm"]).upper(), str(entry["Value"]).lower()
        text = ChecksumText(algorithm=algorithm, value=value)
    except (KeyError, TypeError, ValidationError):
        return None
    return Checksum(text.algorithm, text.value)


def _cloud_cover(attributes: list[Any]) -> float | None:
    for attribute in attributes:
        if isinstance(attribute, dict) and attribute.get("Name") == "cloudCover":
            value = attribute.get("Value")
            return float(value) if isinstance(value, int | float) and 0 <= value <= 100 else None  # percent
    return None


def products_query(
    tile: Tile, level: Level, start: datetime, end: datetime, *, modified_since: datetime | None
) -> dict[str, str]:
    """The query for all products of one tile and level sensed from ``start`` until before ``end``, oldest first."""
    conditions = [
        "Collection/Name eq 'SENTINEL-2'",
        _attribute_is("productType", _PRODUCT_TYPES[level]),
        _attribute_is("tileId", tile.name),
        *_sensed(start, end),
    ]
    if modified_since is not None:
        conditions.append(f"ModificationDate gt {_instant(modified_since)}")
    return _asked(conditions) | {"$expand": "Attributes"}


def deleted_query(tile: Tile, start: datetime, end: datetime) -> dict[str, str]:
    """The query for all deleted products of one tile sensed from ``start`` until before ``end``."""
    return _asked(["Collection/Name eq 'SENTINEL-2'", f"contains(Name,'_T{tile}_')", *_sensed(start, end)])


def _asked(conditions: list[str]) -> dict[str, str]:
    return {
        "$filter": " and ".join(conditions),
        "$orderby": "ContentDate/Start asc",
        "$top": str(_PER_PAGE),
        "$count": "True",
    }


def _sensed(start: datetime, end: datetime) -> list[str]:
    return [f"ContentDate/Start ge {_instant(start)}", f"ContentDate/Start lt {_instant(end)}"]


def _attribute_is(name: str, value: str) -> str:
    kind = "OData.CSC.StringAttribute"
    return f"Attributes/{kind}/any(att:att/Name eq '{name}' and att/{kind}/Value eq '{value}')"


def _instant(at: datetime) -> str:
    """``at`` with milliseconds, which the catalogue keeps, rounded down."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"
