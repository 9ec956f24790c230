"""The simulated Copernicus as running servers: one port for each host that there is in reality."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from local.copernicus.app import (
    CATALOGUE,
    DOWNLOAD,
    IDENTITY,
    Paging,
    catalogue_app,
    download_app,
    foreign_app,
)
from local.copernicus.dhus import DHUS, Archive, dhus_app
from local.copernicus.faults import Fault, Kind
from local.copernicus.offers import bare_offer, read_offer
from local.copernicus.running import Ports, Running
from local.copernicus.shelf import Shelf
from local.copernicus.tokens import Lifetimes, Tokens
from shared.errors import ProviderUnavailable
from shared.models import Checksum, Level, ProductName, Tile


class SimulatedCopernicus:
    """Login, catalogue and downloads of the Copernicus Data Space, and a DHuS hub with the same products.

        with SimulatedCopernicus() as copernicus:
            copernicus.publish(scene.zip)
            settings = Settings.from_env(copernicus.environment() | ...)

    All on free ports of 127.0.0.1. Products and faults can be added while it runs.
    """

    def __init__(
        self,
        *,
        user: str = "demo",
        password: str = "demo",  # noqa: S107 - it opens nothing but the simulation
        lifetimes: Lifetimes | None = None,
        paging: Paging | None = None,
        retrieval_quota: int = 20,
    ) -> None:
        """The one account that may download is ``user``; DHuS brings back ``retrieval_quota`` products for it."""
        self._user, self._password = user, password
        self._paging = paging or Paging()
        self._shelf = Shelf()
        self._tokens = Tokens(user, password, lifetimes or Lifetimes())
        self._archive = Archive(retrieval_quota)
        self._running: Running | None = None
        self.authorizations_elsewhere: list[str | None] = []  # Authorization headers that the foreign host saw

    def start(self) -> None:
        """Begin to answer; raises ProviderUnavailable where it does not come up."""
        if self._running is None:
            ports = Ports("catalogue", "download", "foreign", "dhus")
            self._running = Running(
                ports,
                {
                    "catalogue": catalogue_app(self._shelf, self._tokens, self._paging, ports.address("download")),
                    "download": download_app(self._shelf, self._tokens),
                    "foreign": foreign_app(self._shelf, self.authorizations_elsewhere),
                    "dhus": dhus_app(self._shelf, self._archive, self._paging, (self._user, self._password)),
                },
            )

    def stop(self) -> None:
        """Stop answering and end the thread; downloads under way are cut off."""
        if self._running is not None:
            self._running.stop()
            self._running = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def environment(self) -> dict[str, str]:
        """The app settings that lead here; raises ProviderUnavailable where it does not run."""
        return {
            "COPERNICUS_USER": self._user,
            "COPERNICUS_PASSWORD": self._password,
            "COPERNICUS_IDENTITY_URL": self._address("catalogue") + IDENTITY,
            "COPERNICUS_CATALOGUE_URL": self._address("catalogue") + CATALOGUE,
            "COPERNICUS_DOWNLOAD_URL": self._address("download") + DOWNLOAD,
            "DHUS_URL": self._address("dhus") + DHUS,
            "DHUS_USER": self._user,
            "DHUS_PASSWORD": self._password,
        }

    def elsewhere(self, product_id: str) -> str:
        """The address of a product's zip on a foreign host, which asks for no token; to redirect to."""
        return f"{self._address('foreign')}/files/{product_id}"

    def publish(
        self, file: Path, *, published: datetime | None = None, online: bool = True, cloud_cover: float | None = None
    ) -> str:
        """Offer the product zip ``file``; returns its identifier.

        ``published`` is now, ``cloud_cover`` (percent) what the product's metadata says, unless stated. Raises BadName
        or BadProduct where ``file`` is no product.
        """
        when = published or datetime.now(UTC)
        return self._shelf.put(read_offer(file, published=when, online=online, cloud_cover=cloud_cover))

    def publish_entry(
        self,
        name: str,
        body: bytes = b"",
        *,
        product_id: str = "",
        published: datetime | None = None,
        modified: datetime | None = None,
        online: bool = True,
        cloud_cover: float = 10.0,
        checksums: Sequence[Checksum] | None = None,
    ) -> str:
        """Offer ``body``, whatever it is, as the zip of the product ``name``; returns its identifier.

        ``product_id`` follows from the name, ``published`` and ``modified`` are now, ``checksums`` the true MD5, unless
        stated; the same name under another identifier is a duplicate. Raises BadName.
        """
        parsed = ProductName.parse(name)
        offer = bare_offer(
            str(parsed),
            body,
            product_id=product_id,
            tile=parsed.tile,
            level=parsed.level,
            sensing=parsed.sensing,
            published=published or datetime.now(UTC),
        )
        digests = offer.checksums if checksums is None else tuple(checksums)
        when = modified or offer.published
        return self._shelf.put(replace(offer, modified=when, online=online, cloud_cover=cloud_cover, checksums=digests))

    def publish_long(self, name: str, tile: str, sensing: datetime) -> str:
        """List a product in the long format of before 2016-12-06 for ``tile``; returns its identifier."""
        return self._shelf.put(
            bare_offer(
                name,
                b"",
                product_id="",
                tile=Tile.parse(tile),
                level=Level.L1C,
                sensing=sensing,
                published=datetime.now(UTC),
            )
        )

    def set_online(self, name: ProductName | str, *, online: bool) -> None:
        """Bring a product back from the long-term archive, or send it there."""
        self._shelf.set_online(str(name), online)

    def withdraw(self, name: ProductName | str, *, cause: str = "Duplicated product") -> None:
        """Delete a product; it shows among the deleted ones."""
        self._shelf.withdraw(str(name), cause)

    def inject(self, fault: Fault, *, times: int = 1, after: int = 0) -> None:
        """Let ``fault`` happen to the ``times`` requests of its kind that follow the next ``after``."""
        self._shelf.inject(fault, times=times, after=after)

    def clear(self) -> None:
        """Forget all products, faults and counts, but not who is logged in."""
        self._shelf.clear()
        self._archive.asked.clear()
        self.authorizations_elsewhere.clear()

    def expire_tokens(self) -> None:
        """End all access tokens now."""
        self._tokens.expire()

    @property
    def requests(self) -> Counter[Kind]:
        """How many requests of each kind came."""
        return Counter(self._shelf.requests)

    @property
    def sessions(self) -> int:
        """How many login sessions are live."""
        return self._tokens.sessions

    @property
    def retrievals(self) -> list[str]:
        """Identifiers of the offline products that DHuS was asked to bring back, in order."""
        return list(self._archive.asked)

    def _address(self, host: str) -> str:
        if self._running is None:
            raise ProviderUnavailable("The simulated Copernicus is not running; start it first.")
        return self._running.ports.address(host)
