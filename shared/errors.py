"""Every error IceWatch raises on purpose, in one tree.

    IceWatchError
    ├── PermanentError          trying again cannot help: the reason is recorded, the message is done with
    │   ├── BadName             a tile, product, month or blob name that does not parse
    │   │   └── LongProductName   the product format used before 2016-12-06
    │   ├── BadMessage          a queue message that does not parse
    │   ├── BadSetting          an app setting or watchlist entry that cannot be used
    │   ├── BadProduct          a product that is incomplete, damaged or not what its name says
    │   ├── BadModel            a classifier or lookup table that cannot be loaded or does not fit the bands
    │   ├── CorrectionFailed    the atmospheric correction ended without a usable result
    │   ├── AccessDenied        the provider forbids it: a permission or a quota
    │   ├── BadRecord           a ledger row that somebody broke
    │   ├── WrongState          an order that does not fit the state its product is in
    │   ├── Changed             what was to be replaced is no longer what the writer had seen
    │   └── NotFound            something that should be there and is not (a blob, a product at the provider)
    │       └── Offline           a product in the provider's archive, which has to be brought back first
    └── TransientError          trying again may help: raised, so that the queue delivers again with a delay
        ├── ProviderUnavailable   the Copernicus service is busy or unreachable
        │   └── ProviderLimits      it asks for fewer connections or requests, and says when to come back
        └── StorageUnavailable    Azure storage is busy or unreachable, or two writers met

Each message is a sentence with its values: what was expected, what arrived, which product.
"""


class IceWatchError(Exception):
    """Base of all errors raised on purpose; ``str(error)`` is a sentence a person understands."""


class PermanentError(IceWatchError):
    """Trying again cannot help: record the reason and be done with the message."""


class BadName(PermanentError):
    """A tile, product, month or blob name from outside that does not parse."""


class LongProductName(BadName):
    """A product in the format used before 2016-12-06: several tiles in one, long names."""


class BadMessage(PermanentError):
    """A queue message that does not parse; it goes to the poison queue."""


class BadSetting(PermanentError):
    """An app setting or watchlist entry that cannot be used."""


class BadProduct(PermanentError):
    """A product that is incomplete, damaged or not what its name says."""


class BadModel(PermanentError):
    """A classifier or lookup table that cannot be loaded or does not fit the bands."""


class CorrectionFailed(PermanentError):
    """The atmospheric correction ended without a usable result."""


class AccessDenied(PermanentError):
    """The provider forbids what was asked: a permission is missing or a quota is used up."""


class BadRecord(PermanentError):
    """A ledger row that cannot be read."""


class WrongState(PermanentError):
    """An order that does not fit the state its product is in, such as to retry what has not failed."""


class Changed(PermanentError):
    """Somebody else has replaced it since the writer read it."""


class NotFound(PermanentError):
    """Something that should exist does not: a blob, or a product at the provider."""


class Offline(NotFound):
    """A product in the provider's archive: it has to be brought back before it can be downloaded."""


class TransientError(IceWatchError):
    """Trying again may help: let it pass, so that the queue delivers the message again."""


class ProviderUnavailable(TransientError):
    """The Copernicus service is busy or unreachable."""


class ProviderLimits(ProviderUnavailable):
    """The provider limits connections or requests; ``seconds`` is how long it asks to wait, 0 where it does not say."""

    def __init__(self, message: str, *, seconds: float = 0.0) -> None:
        super().__init__(message)
        self.seconds = seconds


class StorageUnavailable(TransientError):
    """Azure storage is busy or unreachable, or another writer was faster."""
