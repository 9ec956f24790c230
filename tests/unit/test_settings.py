"""The app settings: defaults, values, and what is refused with name and value."""

from __future__ import annotations

import pytest

from shared.api_key import usable
from shared.cloud import CloudRule
from shared.errors import BadSetting
from shared.settings import Settings, Storage

LOCAL = {"AzureWebJobsStorage": "UseDevelopmentStorage=true"}
IDENTITY = {
    "AzureWebJobsStorage__blobServiceUri": "https://a.blob.core.windows.net",
    "AzureWebJobsStorage__queueServiceUri": "https://a.queue.core.windows.net",
    "AzureWebJobsStorage__tableServiceUri": "https://a.table.core.windows.net",
    "AzureWebJobsStorage__clientId": "0000-1111",
}


def test_a_storage_account_is_all_that_must_be_set() -> None:
    settings = Settings.from_env(LOCAL)
    assert settings.storage.connection_string == "UseDevelopmentStorage=true"
    assert settings.defaults.resolution is None  # 20 m where a product has it
    assert settings.copernicus.catalogue_url.startswith("https://catalogue.dataspace.copernicus.eu/")


def test_a_storage_account_by_identity_has_addresses_and_no_key() -> None:
    storage = Settings.from_env(IDENTITY).storage
    assert storage.connection_string == ""
    assert storage.table_uri == "https://a.table.core.windows.net"
    assert storage.client_id == "0000-1111"


def test_without_a_storage_account_the_sentence_names_what_to_set() -> None:
    with pytest.raises(BadSetting, match="set AzureWebJobsStorage to a connection string"):
        Settings.from_env({})
    without = {name: value for name, value in IDENTITY.items() if "queue" not in name}
    with pytest.raises(BadSetting, match="AzureWebJobsStorage__queueServiceUri") as caught:
        Settings.from_env(without)
    assert "blobServiceUri" not in str(caught.value)


def test_an_empty_setting_is_as_good_as_none() -> None:
    assert Settings.from_env(LOCAL | {"RESOLUTION": "", "CLOUD_PROBABILITY": ""}) == Settings.from_env(LOCAL)


def test_values_are_read() -> None:
    settings = Settings.from_env(
        LOCAL
        | {
            "RESOLUTION": "60",
            "MINIMUM_USABLE": "12.5",
            "COPERNICUS_CATALOGUE_URL": "http://127.0.0.1:8080/odata/",
            "SEN2COR_HOME": "/opt/sen2cor",
            "CORRECTION_TIME_LIMIT": "60",
        }
    )
    assert (settings.defaults.resolution, settings.defaults.minimum_usable) == (60, 12.5)
    assert settings.copernicus.catalogue_url == "http://127.0.0.1:8080/odata"
    assert (settings.correction.home, settings.correction.time_limit) == ("/opt/sen2cor", 60)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("RESOLUTION", "10", "RESOLUTION is '10'; expected one of 20, 60"),
        ("RESOLUTION", "20.0", "expected one of"),
        ("CLOUD_PROBABILITY", "101", "CLOUD_PROBABILITY is 101; expected a number from 0 to 100"),
        ("CLOUD_PROBABILITY", "-1", "CLOUD_PROBABILITY"),
        ("CLOUD_RULE", "all", "CLOUD_RULE is 'all'; expected one of probability, scl, both, either"),
        ("MINIMUM_USABLE", "nan", "MINIMUM_USABLE"),
        ("MINIMUM_USABLE", "inf", "MINIMUM_USABLE"),
        ("MINIMUM_USABLE", "forty", "'forty'; expected a number"),
        ("CORRECTION_TIME_LIMIT", "0", "CORRECTION_TIME_LIMIT"),
        ("CORRECTION_MAX_TRIES", "0", "CORRECTION_MAX_TRIES"),
        ("CORRECTION_DEM", "maybe", "CORRECTION_DEM is 'maybe'; expected one of required, preferred, none"),
        ("CORRECTION_SILENCE", "-1", "CORRECTION_SILENCE is -1"),
        ("SEN2COR_THREADS", "9", "SEN2COR_THREADS is '9'; expected one of AUTO, 1"),
        ("SEN2COR_AEROSOL", "URBAN", "SEN2COR_AEROSOL is 'URBAN'; expected one of RURAL, MARITIME, AUTO"),
        ("SEN2COR_SEASON", "SPRING", "SEN2COR_SEASON is 'SPRING'; expected one of SUMMER, WINTER, AUTO"),
        ("SEN2COR_OZONE", "300", "SEN2COR_OZONE is '300'; expected one of 0, 250"),
        ("COPERNICUS_DOWNLOAD_URL", "http://download.example.org", "expected an https address"),
        ("COPERNICUS_IDENTITY_URL", "ftp://x", "COPERNICUS_IDENTITY_URL"),
        ("COPERNICUS_CATALOGUE_URL", "http://localhost.evil.example", "COPERNICUS_CATALOGUE_URL"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_with_its_name(name: str, value: str, says: str) -> None:
    with pytest.raises(BadSetting) as caught:
        Settings.from_env(LOCAL | {name: value})
    assert says in str(caught.value)


def test_the_processing_parameters_can_be_set_in_any_case_of_letters() -> None:
    usual = Settings.from_env(LOCAL).correction
    assert (usual.dem, usual.threads, usual.aerosol, usual.season, usual.ozone) == ("preferred", "AUTO", "RURAL", "", 0)
    words = {"CORRECTION_DEM": "Required", "SEN2COR_THREADS": "2", "SEN2COR_AEROSOL": "maritime"}
    words |= {"SEN2COR_SEASON": "Winter", "SEN2COR_OZONE": "330", "SEN2COR_DEM": "/data/dem", "CORRECTION_SILENCE": "0"}
    own = Settings.from_env(LOCAL | words).correction
    assert (own.dem, own.threads, own.aerosol, own.season, own.ozone) == ("required", "2", "MARITIME", "WINTER", 330)
    assert (own.dem_folder, own.silence) == ("/data/dem", 0)


def test_no_secret_is_shown() -> None:
    settings = Settings.from_env({"AzureWebJobsStorage": "AccountKey=secret1", "COPERNICUS_PASSWORD": "secret2"})
    assert "secret" not in repr(settings) + str(settings)
    assert settings.copernicus.password == "secret2"


def test_the_cloud_rule_can_be_set() -> None:
    assert Settings.from_env(LOCAL).defaults.cloud_rule is CloudRule.EITHER
    assert Settings.from_env(LOCAL | {"CLOUD_RULE": "both"}).defaults.cloud_rule is CloudRule.BOTH


@pytest.mark.parametrize("name", ["COPERNICUS_USER", "COPERNICUS_PASSWORD", "DHUS_USER", "DHUS_PASSWORD"])
def test_a_secret_that_azure_could_not_read_from_the_key_vault_is_none(name: str) -> None:
    settings = Settings.from_env(LOCAL | {name: "@Microsoft.KeyVault(SecretUri=https://kv.vault.azure.net/secrets/x)"})
    assert settings == Settings.from_env(LOCAL)


def test_the_room_for_backfill_can_be_set() -> None:
    assert Settings.from_env(LOCAL).backfill.room == 120
    assert Settings.from_env(LOCAL | {"BACKFILL_ROOM": "900"}).backfill.room == 900
    with pytest.raises(BadSetting, match="BACKFILL_ROOM is '-'"):
        Settings.from_env(LOCAL | {"BACKFILL_ROOM": "-"})


def test_the_download_limits_follow_the_settings() -> None:
    downloads = Settings.from_env(LOCAL | {"DOWNLOAD_SLOTS": "2", "MONTHLY_BYTES": "1180000"}).downloads
    assert (downloads.slots, downloads.most_bytes, downloads.backfill_bytes) == (2, 1_180_000, 1_000_000)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"DOWNLOAD_SLOTS": "0"}, "DOWNLOAD_SLOTS is 0; expected a number from 1"),
        ({"MONTHLY_BYTES": "-1"}, "MONTHLY_BYTES is -1"),
        ({"MONTHLY_BYTES": "10", "MONTHLY_BYTES_BACKFILL": "11"}, "MONTHLY_BYTES_BACKFILL is 11; expected at most"),
    ],
)
def test_download_limits_that_cannot_be_are_refused(settings: dict[str, str], says: str) -> None:
    with pytest.raises(BadSetting, match=says):
        Settings.from_env(LOCAL | settings)


def test_what_is_kept_and_the_disk_for_one_product_can_be_set() -> None:
    usual = Settings.from_env(LOCAL).correction
    assert (usual.keep, usual.scratch_bytes) == ("20m", 8 * 1024**3)
    told = Settings.from_env(LOCAL | {"CORRECTION_KEEP": "all", "CORRECTION_SCRATCH_GIB": "0.5"}).correction
    assert (told.keep, told.scratch_bytes) == ("all", 512 * 1024**2)
    with pytest.raises(BadSetting, match="CORRECTION_KEEP is '10m'"):
        Settings.from_env(LOCAL | {"CORRECTION_KEEP": "10m"})


def test_a_price_without_a_source_is_unknown_until_it_is_set_and_none_is_negative() -> None:
    usual = Settings.from_env(LOCAL).prices
    assert (usual.gb_second, usual.cpu_second, usual.gib_second) == (0.000026, None, None)
    assert Settings.from_env(LOCAL | {"PRICE_CPU_SECOND": "0.00002"}).prices.cpu_second == 0.00002
    prices = Settings.from_env(LOCAL | {"PRICE_GB_SECOND": "0.00003", "INSTANCE_GB": "2", "JOB_GIB": "4"}).prices
    assert (prices.gb_second, prices.instance_gb, prices.gib) == (0.00003, 2, 4)
    with pytest.raises(BadSetting, match="PRICE_CPU_SECOND is -1; expected a number from 0"):
        Settings.from_env(LOCAL | {"PRICE_CPU_SECOND": "-1"})


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("short", "API_KEY has 5 characters; expected 20 to 200"),
        ("x" * 201, "API_KEY has 201 characters; expected 20 to 200"),
        ("with a space in it, long enough", "Character 5 of API_KEY is a blank"),
        ("long-enough-and-of-a-file\n", "Character 26 of API_KEY is a line break"),
        ("ünlesbar" * 4, "Character 1 of API_KEY is no visible sign of ASCII"),
    ],
)
def test_a_key_that_can_be_guessed_or_not_sent_closes_the_door_and_no_step(key: str, says: str):
    settings = Settings.from_env(LOCAL | {"API_KEY": key})
    assert settings.storage.connection_string, "the pipeline has all it needs"
    with pytest.raises(BadSetting) as refused:
        usable(settings.api_key)
    assert says in str(refused.value)
    assert key not in str(refused.value)


def test_a_key_of_every_visible_sign_is_taken_as_it_is():
    for key in ("", "k" * 20, "".join(map(chr, range(33, 127)))):
        assert usable(Settings.from_env(LOCAL | {"API_KEY": key}).api_key) == key


@pytest.mark.parametrize(
    ("connection", "here"),
    [
        ("UseDevelopmentStorage=true", True),
        ("UseDevelopmentStorage = True;", True),
        (";".join(f"{kind}Endpoint=http://127.0.0.1:1/a" for kind in ("Blob", "Queue", "Table")), True),
        (";".join(f"{kind}Endpoint=http://azurite:1/a" for kind in ("Blob", "Queue", "Table")), False),
        (";".join(f"{kind}Endpoint=http://127.0.0.1.example.org/a" for kind in ("Blob", "Queue", "Table")), False),
        ("BlobEndpoint=http://127.0.0.1:1/a", False),
        ("DefaultEndpointsProtocol=https;AccountName=a;AccountKey=b", False),
    ],
)
def test_only_the_emulator_on_the_loopback_address_is_on_this_machine(connection: str, here: bool):
    assert Storage(connection).is_on_this_machine is here
