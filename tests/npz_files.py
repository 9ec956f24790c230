"""Archives of arrays as somebody makes them who means harm."""

from __future__ import annotations

from io import BytesIO
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import pytest


class Evil:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (pytest.fail, ("a pickle was executed",))


def zip_with(**members: bytes) -> bytes:
    body = BytesIO()
    with ZipFile(body, "w", ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(f"{name}.npy", data)
    return body.getvalue()
