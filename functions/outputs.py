"""What a function sets a queue output with."""

import typing

import azure.functions as func

# One message per string. typing.List on purpose: Microsoft's worker refuses list[str] as "invalid non-type annotation",
# and then no function of the app starts (tests/infra/test_worker_library.py).
Messages = func.Out[typing.List[str]]  # noqa: UP006
