"""Blob triggers that get the blob's name and never its bytes.

Bound as bytes or a stream, a blob passes whole through the host and the worker, which a 700 MB zip would
not survive. The SDK-type bindings of Azure Functions pass a reference instead; Microsoft's ready-made
type (azurefunctions-extensions-bindings-blob) imports the whole storage SDK while the app is indexed,
which takes longer than all the rest of it. This type uses the same mechanism and keeps the name only.
"""

import json
from typing import Any

from azurefunctions.extensions.base import Datum, InConverter, SdkType

from shared.errors import BadMessage, BadName
from shared.models import BlobPath, shown


class BlobName(SdkType):  # type: ignore[misc]  # the base class ships no types
    """What a blob trigger hands to its function: where the blob is."""

    def __init__(self, *, data: Any) -> None:
        """Read the reference the host sends; raise BadMessage where it names no blob."""
        super().__init__(data=data)
        try:
            told = json.loads(data.content)
            self.path = BlobPath(told["ContainerName"], told["BlobName"])
        except (ValueError, KeyError, TypeError, BadName) as cause:
            raise BadMessage(f"The blob trigger sent no blob reference: {shown(cause)}.") from cause

    def get_sdk_type(self) -> "BlobName":
        """The mechanism's question for the object to pass on: this one."""
        return self


class _BlobNameConverter(InConverter, binding="blob", trigger="blobTrigger"):  # type: ignore[misc,call-arg]
    @classmethod
    def check_input_type_annotation(cls, pytype: type) -> bool:
        return issubclass(pytype, BlobName)

    @classmethod
    def has_implicit_output(cls) -> bool:
        return False

    @classmethod
    def decode(cls, data: Datum, *, trigger_metadata: Any, pytype: type) -> BlobName | None:
        if data is None or data.type is None:
            return None
        if data.type != "model_binding_data":
            raise BadMessage(f"The blob trigger sent {shown(data.type)}; expected a reference to the blob.")
        return BlobName(data=data.value)
