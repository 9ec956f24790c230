"""Plays the Functions host for Microsoft's Python worker library: index the app, call functions, say what came out.

Run in the package's folder by an interpreter that has the library. Reads the calls from standard input as JSON and
writes one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path[:0] = [str(Path.cwd()), str(Path(__file__).parent)]  # the package first, as in Azure

messages = import_module("messages").protos()
worker = import_module("azure_functions_runtime")


def request(**parts: Any) -> Any:
    """A message as the proxy in front of the library passes it on."""
    return SimpleNamespace(
        request=messages.StreamingMessage(**parts), properties={"host": "127.0.0.1", "protos": messages}
    )


def typed(value: Any) -> Any:
    """``[kind, value]`` as the host sends it."""
    kind, inner = value
    if kind == "http":
        return messages.TypedData(http=messages.RpcHttp(**inner))
    if kind == "model_binding_data":
        content = json.dumps(inner).encode()
        return messages.TypedData(
            model_binding_data=messages.ModelBindingData(
                version="1.0", source="AzureStorageBlobs", content_type="application/json", content=content
            )
        )
    return messages.TypedData(**{kind: inner})


def plain(data: Any) -> Any:
    """What the worker answers, as ``[kind, value]``."""
    kind = data.WhichOneof("data")
    if kind == "http":
        return [kind, {"status": data.http.status_code, "body": plain(data.http.body)}]
    value = getattr(data, kind) if kind else None
    return [kind, value.decode("utf-8", "replace") if isinstance(value, bytes) else value]


async def call(function_id: str, told: dict[str, Any]) -> dict[str, Any]:
    """One invocation."""
    asked = messages.InvocationRequest(
        invocation_id=f"call-{function_id}",
        function_id=function_id,
        input_data=[messages.ParameterBinding(name=name, data=typed(value)) for name, value in told["inputs"].items()],
        trigger_metadata={name: typed(value) for name, value in told["metadata"].items()},
    )
    answer = await worker.invocation_request(request(invocation_request=asked))
    return {
        "ok": answer.result.status == messages.StatusResult.Success,
        "error": answer.result.exception.message,
        "outputs": {one.name: plain(one.data) for one in answer.output_data},
        "returned": plain(answer.return_value),
    }


async def main() -> None:
    """Index, then call each function that standard input asks for."""
    worker.start_threadpool_executor()
    begun = messages.WorkerInitRequest(host_version="4.0.0", function_app_directory=str(Path.cwd()))
    ready = await worker.worker_init_request(request(worker_init_request=begun))
    said: dict[str, Any] = {"error": ready.result.exception.message, "functions": {}, "calls": []}
    if not said["error"]:
        indexed = (await worker.functions_metadata_request(request())).function_metadata_results
        ids = {one.name: one.function_id for one in indexed}
        said["functions"] = {one.name: [json.loads(raw) for raw in one.raw_bindings] for one in indexed}
        said["calls"] = [await call(ids[told["function"]], told) for told in json.load(sys.stdin)]
    worker.stop_threadpool_executor()
    json.dump(said, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main())
