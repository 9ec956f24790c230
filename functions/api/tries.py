"""How often somebody may be wrong about the key: a few different keys from one address, and then a pause.

What is over the limit is not compared with the key at all, so that guessing gets no further; it is over for that
address alone, so that no stranger can keep others out, nor can a page that somebody there opens: what another site's
page has a browser send is no try. The same wrong key again is no guess: a program that still
sends an old key does not shut out who sits behind the same address. Kept in the memory of one instance of the app:
another counts anew, and so does this one after a restart.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.requests import HTTPConnection

MOST_WRONG = 10  # different keys of one address
SPAN = 300.0  # seconds, after which a wrong key is forgotten
_MOST_ADDRESSES = 4096  # remembered; the one that was wrong the longest time ago goes first
_NETWORK = 64  # bits of an IPv6 address that one customer has at least


class Tries:
    """The wrong keys of late, by address; used by many threads."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._wrong: OrderedDict[str, dict[str, float]] = OrderedDict()  # address -> mark of a key -> when

    def pause(self, address: str, mark: str, *, is_right: bool) -> float:
        """Seconds for which no key is taken from ``address``; 0 where this one counts, and is noted if it is wrong.

        ``mark`` tells one key from another. Looking and noting are one step, so many at once get no further.
        """
        with self._lock:
            now = self._monotonic()
            wrong = {mark: at for mark, at in self._wrong.get(address, {}).items() if now - at < SPAN}
            if mark not in wrong and len(wrong) >= MOST_WRONG:
                return min(wrong.values()) + SPAN - now
            if not is_right:
                wrong.setdefault(mark, now)
                self._wrong[address] = wrong
                self._wrong.move_to_end(address)
                if len(self._wrong) > _MOST_ADDRESSES:
                    self._wrong.popitem(last=False)
            return 0.0


def address_of(request: HTTPConnection) -> str:
    """Where ``request`` comes from, as the front end of the platform says, or the connection; "" where nobody does.

    Of X-Forwarded-For only the last entry counts, which the front end adds with a port; what stands before it the
    client itself has sent.
    """
    told = ",".join(request.headers.getlist("x-forwarded-for")).rpartition(",")[2].strip()
    told = told or (request.client.host if request.client else "")
    for text in (told, told.rpartition(":")[0].strip("[]")):
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            continue
        if address.version == 4:
            return str(address)
        return str(address.ipv4_mapped or ipaddress.ip_network((int(address), _NETWORK), strict=False))
    return ""
