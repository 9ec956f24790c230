"""sentinelsat tamed: time limits on every request, silence, and its errors as ours.

sentinelsat sets ``session.timeout``, which requests does not heed, so that a hub that hangs would hang the app; the
limits are set where requests heeds them. Source: sentinelsat 1.2, requests 2.32.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from sentinelsat import SentinelAPI
from sentinelsat.exceptions import InvalidKeyError, LTAError, LTATriggered, SentinelAPIError, UnauthorizedError

from shared.adapters.provider_answers import Patience, failure
from shared.errors import (
    BadSetting,
    IceWatchError,
    NotFound,
    Offline,
    ProviderLimits,
    ProviderUnavailable,
)
from shared.models import shown
from shared.settings import Dhus

WHO = "The DHuS hub"
# What a connection under way raises through urllib3.
BROKEN = (urllib3.exceptions.HTTPError, requests.RequestException, OSError)
_MOST_REDIRECTS = 5
_LOOPBACK = {"127.0.0.1", "localhost"}


class _Patient(HTTPAdapter):
    """Gives every request the time limits, and reaches this machine past any proxy."""

    def __init__(self, patience: Patience) -> None:
        self._limits = (patience.connect, patience.read)
        super().__init__()

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        """Send with the limits instead of those asked for."""
        options["timeout"] = self._limits
        if urlsplit(request.url or "").hostname in _LOOPBACK:
            options["proxies"] = None
        return super().send(request, *arguments, **options)


def hub(dhus: Dhus, patience: Patience) -> SentinelAPI:
    """The hub as sentinelsat sees it; raises BadSetting where address or account are missing."""
    if not dhus.url:
        raise BadSetting("There is no DHuS hub: set DHUS_URL, DHUS_USER and DHUS_PASSWORD.")
    if not (dhus.user and dhus.password):
        raise BadSetting("The DHuS hub needs an account: set DHUS_USER and DHUS_PASSWORD.")
    api = SentinelAPI(dhus.user, dhus.password, dhus.url, show_progressbars=False)
    api.session.max_redirects = _MOST_REDIRECTS
    api.session.adapters.clear()  # with an https hub, a redirect to http finds no adapter and fails
    api.session.mount(f"{urlsplit(dhus.url).scheme}://", _Patient(patience))
    logging.getLogger("sentinelsat.SentinelAPI").setLevel(logging.CRITICAL)  # what it would say, our errors say
    return api


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Raise what sentinelsat and requests raise as one of our errors; ``what`` was asked for."""
    try:
        yield
    except (requests.RequestException, urllib3.exceptions.HTTPError) as cause:
        raise ProviderUnavailable(f"{WHO} does not answer {what}: {type(cause).__name__}.") from cause
    except UnauthorizedError as cause:
        raise BadSetting(f"{WHO} refuses the login: check DHUS_USER and DHUS_PASSWORD.") from cause
    except InvalidKeyError as cause:
        raise NotFound(f"{WHO} has no (longer a) product for {what}.") from cause
    except LTATriggered as cause:
        raise Offline(f"{WHO} has the product of {what} in its archive; its return was asked for.") from cause
    except SentinelAPIError as cause:
        raise _meaning(cause, what) from cause
    except (KeyError, ValueError, TypeError, AttributeError) as cause:  # it reads answers without checking them
        raise ProviderUnavailable(
            f"{WHO} answers {what} with something that does not parse: {shown(repr(cause))}."
        ) from cause


def _meaning(error: SentinelAPIError, what: str) -> IceWatchError:
    response = error.response
    if response is None or response.status_code < 400:
        return ProviderUnavailable(f"{WHO} answers {what} with something unexpected: {shown(error.msg)}.")
    if response.status_code == 403 and "concurrent flows" in response.headers.get("cause-message", ""):
        return ProviderLimits(f"{WHO} answers {what} with 403: as many downloads run as the account may have.")
    if isinstance(error, LTAError) and response.status_code == 403:
        return Offline(f"{WHO} has the product of {what} in its archive, and the quota for returns is used up.")
    return failure(WHO, what, response.status_code, response.headers.get("Retry-After"))
