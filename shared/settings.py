"""The app settings, read from the environment in one place: ``Settings.from_env(mapping)``.

Nobody else reads the environment. Secrets are fields without ``repr``, so that no log shows them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar, get_args

from shared.cloud import CloudRule
from shared.errors import BadSetting
from shared.models import Keep, shown

STORAGE = "AzureWebJobsStorage"  # the connection every trigger and adapter uses
DEVELOPMENT = "UseDevelopmentStorage=true"  # the connection string that means the emulator
_KEY_VAULT = "@Microsoft.KeyVault("  # how a reference to a secret begins
_CDSE = {
    "identity": "https://identity.dataspace.copernicus.eu/auth/realms/CDSE/protocol/openid-connect/token",
    "catalogue": "https://catalogue.dataspace.copernicus.eu/odata/v1",
    "download": "https://download.dataspace.copernicus.eu/odata/v1",
}

# Dobson units that Sen2Cor has look-up tables for, in summer and in winter.
_OZONE = (250, 290, 330, 331, 370, 377, 410, 420, 450, 460)
_TIMERS = {"schedule": "SCHEDULE", "watch": "WATCH_SCHEDULE"}
_Word = TypeVar("_Word", bound=str)
Dem = Literal["required", "preferred", "none"]


@dataclass(frozen=True, slots=True)
class Storage:
    """How to reach the storage account: a connection string, or addresses with a managed identity."""

    connection_string: str = field(default="", repr=False)
    blob_uri: str = ""
    queue_uri: str = ""
    table_uri: str = ""
    client_id: str = ""  # of the user-assigned identity; empty: the default credential

    @property
    def is_on_this_machine(self) -> bool:
        """True for the emulator reached over the loopback address: nobody else gets at it, or at the app beside it."""
        text = self.connection_string.replace(" ", "").rstrip(";")
        if text.lower() == DEVELOPMENT.lower():
            return True
        parts = dict(part.split("=", 1) for part in text.split(";") if "=" in part)
        ends = [parts.get(f"{kind}Endpoint", "") for kind in ("Blob", "Queue", "Table")]
        return all(re.match(r"https?://(127\.0\.0\.1|localhost)(:|/|$)", end) for end in ends)


@dataclass(frozen=True, slots=True)
class Copernicus:
    """How to reach the Copernicus Data Space Ecosystem."""

    user: str = ""
    password: str = field(default="", repr=False)
    identity_url: str = _CDSE["identity"]
    catalogue_url: str = _CDSE["catalogue"]
    download_url: str = _CDSE["download"]


@dataclass(frozen=True, slots=True)
class Downloads:
    """How much is taken from the provider, by all instances together."""

    slots: int = 4  # connections at a time
    backfill_bytes: int = 10 * 10**12  # of any 30 days; when they are used up, backfill waits
    most_bytes: int = 11_800 * 10**9  # of any 30 days; when they are used up, everything waits
    time_limit: float = 1500.0  # seconds for one product, below the functionTimeout of host.json
    pause: float = 30.0  # seconds a product waits at first where it cannot begin yet; longer each time


@dataclass(frozen=True, slots=True)
class Dhus:
    """How to reach a hub that runs DHuS; without an address there is none."""

    url: str = ""  # such as https://hub.example.org/dhus
    user: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Correction:
    """How the container step corrects."""

    command: str = ""  # path of L2A_Process, or several in order; empty: found under home, or the approximate processor
    home: str = ""  # SEN2COR_HOME, or several in order
    dem: Dem = "preferred"  # required: a result without a DEM counts as failed; none: flat ground is assumed
    dem_folder: str = ""  # where DEM tiles are kept between runs; empty: dem/ below the processor's home
    threads: str = "AUTO"  # that read images: AUTO, or 1 to 8
    aerosol: str = "RURAL"  # RURAL, MARITIME or AUTO
    season: str = ""  # SUMMER, WINTER or AUTO; empty: by date and latitude
    ozone: int = 0  # Dobson units; 0: the nearest to what the product's metadata says
    silence: float = 900.0  # seconds without output and processor time after which a run counts as hung; 0: never
    work: str = ""  # folder for unpacked products, on a local disk; empty: the system's temporary folder
    time_limit: float = 5400.0  # seconds for one product
    max_tries: int = 5  # deliveries of one message before it goes to the poison queue
    visibility: int = 600  # seconds a received message stays invisible; renewed while the work goes on
    keep: Keep = "20m"  # how much of the L2A product is uploaded, where the area does not say
    scratch_bytes: int = 8 * 1024**3  # disk that one product may fill; a Container Apps job has 8 GiB


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds for a tile that the watchlist says nothing else about."""

    cloud_probability: int = 20  # percent; a pixel at or above is cloud
    cloud_rule: CloudRule = CloudRule.EITHER  # which of a product's two cloud masks count
    minimum_usable: float = 40.0  # percent of the whole tile; below, the acquisition is rejected
    resolution: int | None = None  # metres, 20 or 60; none: 20, or 60 where a product has only that


@dataclass(frozen=True, slots=True)
class Backfill:
    """How much older months may fill the queues."""

    room: int = 120  # products that may wait to be staged or corrected; new acquisitions queue behind them


@dataclass(frozen=True, slots=True)
class Prices:
    """What the estimate of a product's cost rests on: US dollars, free grants left out; no default without a source."""

    gb_second: float = 0.000026  # Flex Consumption on demand, per GB; East US, 2025-05-22: see docs/monitoring.md
    instance_gb: float = 2.0  # memory of an instance that stages or classifies
    cpu_second: float | None = None  # of a Container Apps vCPU; none: it is not known, nor what a correction costs
    gib_second: float | None = None  # of a Container Apps GiB of memory
    cpus: float = 4.0  # of the correction's container
    gib: float = 8.0  # of the correction's container


@dataclass(frozen=True, slots=True)
class Settings:
    """All app settings."""

    storage: Storage
    copernicus: Copernicus
    dhus: Dhus
    correction: Correction
    defaults: Defaults
    downloads: Downloads = field(default_factory=Downloads)
    backfill: Backfill = field(default_factory=Backfill)
    prices: Prices = field(default_factory=Prices)
    lookup_table: str = ""  # blob of the container models; empty: nothing is retrieved
    api_key: str = field(default="", repr=False)  # opens API and pages; as given, looked at by shared/api_key.py
    schedules: tuple[tuple[str, str], ...] = ()  # timer -> its six fields, as the host runs it; none: it is not known

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Settings:
        """Read the settings from ``env`` (``os.environ`` in the app); raise BadSetting with name and value."""
        usual = Correction()
        return cls(
            storage=_storage(env),
            copernicus=Copernicus(
                user=_login(env, "COPERNICUS_USER"),
                password=_login(env, "COPERNICUS_PASSWORD"),
                identity_url=_url(env, "COPERNICUS_IDENTITY_URL", _CDSE["identity"]),
                catalogue_url=_url(env, "COPERNICUS_CATALOGUE_URL", _CDSE["catalogue"]),
                download_url=_url(env, "COPERNICUS_DOWNLOAD_URL", _CDSE["download"]),
            ),
            dhus=Dhus(
                url=_url(env, "DHUS_URL", "") if env.get("DHUS_URL") else "",
                user=_login(env, "DHUS_USER"),
                password=_login(env, "DHUS_PASSWORD"),
            ),
            correction=Correction(
                command=env.get("SEN2COR_COMMAND", ""),
                home=env.get("SEN2COR_HOME", ""),
                dem=_word(env, "CORRECTION_DEM", get_args(Dem), usual.dem),
                dem_folder=env.get("SEN2COR_DEM", ""),
                threads=_word(env, "SEN2COR_THREADS", ("AUTO", *map(str, range(1, 9))), usual.threads),
                aerosol=_word(env, "SEN2COR_AEROSOL", ("RURAL", "MARITIME", "AUTO"), usual.aerosol),
                season=_word(env, "SEN2COR_SEASON", ("", "SUMMER", "WINTER", "AUTO"), usual.season),
                ozone=int(_word(env, "SEN2COR_OZONE", ("0", *map(str, _OZONE)), str(usual.ozone))),
                silence=_number(env, "CORRECTION_SILENCE", 900.0, 0, 86400),
                work=env.get("CORRECTION_WORK", ""),
                time_limit=_number(env, "CORRECTION_TIME_LIMIT", 5400.0, 10, 86400),
                max_tries=int(_number(env, "CORRECTION_MAX_TRIES", 5, 1, 100)),
                visibility=int(_number(env, "CORRECTION_VISIBILITY", 600, 2, 7 * 86400)),
                keep=_word(env, "CORRECTION_KEEP", get_args(Keep), usual.keep),
                scratch_bytes=int(_number(env, "CORRECTION_SCRATCH_GIB", 8, 0.01, 1e6) * 1024**3),
            ),
            defaults=Defaults(
                cloud_probability=int(_number(env, "CLOUD_PROBABILITY", 20, 0, 100)),
                cloud_rule=_word(env, "CLOUD_RULE", tuple(CloudRule), Defaults().cloud_rule),
                minimum_usable=_number(env, "MINIMUM_USABLE", 40, 0, 100),
                resolution=_choice(env, "RESOLUTION", (20, 60)),
            ),
            downloads=_downloads(env),
            backfill=Backfill(room=int(_number(env, "BACKFILL_ROOM", Backfill().room, 0, 1e6))),
            prices=_prices(env),
            lookup_table=env.get("LOOKUP_TABLE", ""),
            api_key=_login(env, "API_KEY"),
            schedules=tuple((step, env[name]) for step, name in _TIMERS.items() if env.get(name)),
        )


def _downloads(env: Mapping[str, str]) -> Downloads:
    usual = Downloads()
    most = _number(env, "MONTHLY_BYTES", usual.most_bytes, 0, 1e18)
    backfill = _number(env, "MONTHLY_BYTES_BACKFILL", most * usual.backfill_bytes / usual.most_bytes, 0, 1e18)
    if backfill > most:
        raise BadSetting(
            f"MONTHLY_BYTES_BACKFILL is {backfill:.0f}; expected at most MONTHLY_BYTES, which is {most:.0f}."
        )
    return Downloads(
        slots=int(_number(env, "DOWNLOAD_SLOTS", usual.slots, 1, 100)),
        backfill_bytes=int(backfill),
        most_bytes=int(most),
        time_limit=_number(env, "DOWNLOAD_TIME_LIMIT", usual.time_limit, 10, 86400),
        pause=_number(env, "DOWNLOAD_PAUSE", usual.pause, 1, 86400),
    )


def _prices(env: Mapping[str, str]) -> Prices:
    usual = Prices()
    return Prices(
        gb_second=_number(env, "PRICE_GB_SECOND", usual.gb_second, 0, 1e6),
        instance_gb=_number(env, "INSTANCE_GB", usual.instance_gb, 0, 1e3),
        cpu_second=_price(env, "PRICE_CPU_SECOND"),
        gib_second=_price(env, "PRICE_GIB_SECOND"),
        cpus=_number(env, "JOB_CPUS", usual.cpus, 0, 1e3),
        gib=_number(env, "JOB_GIB", usual.gib, 0, 1e4),
    )


def _storage(env: Mapping[str, str]) -> Storage:
    if text := env.get(STORAGE, ""):
        return Storage(connection_string=text)
    uris = {kind: env.get(f"{STORAGE}__{kind}ServiceUri", "") for kind in ("blob", "queue", "table")}
    if missing := [f"{STORAGE}__{kind}ServiceUri" for kind, uri in uris.items() if not uri]:
        raise BadSetting(
            f"No storage account is configured: set {STORAGE} to a connection string, or also {', '.join(missing)}."
        )
    return Storage("", uris["blob"], uris["queue"], uris["table"], env.get(f"{STORAGE}__clientId", ""))


def _login(env: Mapping[str, str], name: str) -> str:
    """A user or password; none where Azure could not read it from the key vault and left the reference as it is.

    Logging in with the text of the reference would fail with every try, and too many lock the account.
    """
    value = env.get(name, "")
    return "" if value.startswith(_KEY_VAULT) else value


def _url(env: Mapping[str, str], name: str, default: str) -> str:
    value = env.get(name) or default
    if not value.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
        raise BadSetting(f"{name} is '{shown(value)}'; expected an https address.")
    return value.rstrip("/")


def _number(env: Mapping[str, str], name: str, default: float, low: float, high: float) -> float:
    text = env.get(name) or str(default)
    try:
        value = float(text)
    except ValueError as cause:
        raise BadSetting(f"{name} is '{shown(text)}'; expected a number from {low:g} to {high:g}.") from cause
    if not low <= value <= high:  # also refuses NaN
        raise BadSetting(f"{name} is {text}; expected a number from {low:g} to {high:g}.")
    return value


def _price(env: Mapping[str, str], name: str) -> float | None:
    return _number(env, name, 0.0, 0, 1e6) if env.get(name) else None


def _choice(env: Mapping[str, str], name: str, choices: tuple[int, ...]) -> int | None:
    text = env.get(name, "")
    if text not in {"", *(str(choice) for choice in choices)}:
        raise BadSetting(f"{name} is '{shown(text)}'; expected one of {', '.join(map(str, choices))}.")
    return int(text) if text else None


def _word(env: Mapping[str, str], name: str, choices: tuple[_Word, ...], default: _Word) -> _Word:
    """The one of ``choices`` that is set, in capitals or not; ``default`` where none is."""
    text = env.get(name) or default
    for choice in choices:
        if text.upper() == choice.upper():
            return choice
    raise BadSetting(f"{name} is '{shown(text)}'; expected one of {', '.join(filter(None, choices))}.")
