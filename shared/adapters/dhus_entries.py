"""What sentinelsat makes of a DHuS entry, parsed into a product or refused."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from shared.messages import ChecksumText
from shared.models import Checksum, Product, ProductName, in_mission

_DIGESTS = {"md5": "MD5", "sha3-256": "SHA3-256"}  # sentinelsat's key -> our name


class _OData(BaseModel):
    model_config = ConfigDict(allow_inf_nan=False, extra="allow")

    id: str = Field(pattern=r"^[A-Za-z0-9-]{1,100}$")
    title: str = Field(max_length=200)
    size: int = Field(ge=0, le=2**40)  # bytes
    ingested: Annotated[datetime, AfterValidator(in_mission)] = Field(alias="Ingestion Date")
    online: bool = Field(alias="Online")
    cloud: float | None = Field(alias="Cloud cover percentage", default=None)


def product_of(odata: Mapping[str, Any], indexed: Mapping[str, Any] | None) -> Product:
    """The product that OData describes, with the cloud cover of the index where OData was not asked for it.

    Raises BadName where the name is no product's, ValueError where the rest does not parse.
    """
    parsed = _OData.model_validate(dict(odata))
    cloud = parsed.cloud if indexed is None else indexed.get("cloudcoverpercentage")
    return Product(
        id=parsed.id,
        name=ProductName.parse(parsed.title),
        size=parsed.size,
        checksums=tuple(digest for key, name in _DIGESTS.items() if (digest := _checksum(name, odata.get(key)))),
        published=parsed.ingested,
        online=parsed.online,
        cloud_cover=float(cloud) if isinstance(cloud, int | float) and 0 <= cloud <= 100 else None,
        modified=parsed.ingested,
    )


def _checksum(algorithm: str, value: Any) -> Checksum | None:
    try:
        text = ChecksumText(algorithm=algorithm, value=str(value).lower())
    except ValidationError:
        return None
    return Checksum(text.algorithm, text.value)
