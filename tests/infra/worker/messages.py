"""The messages between the Functions host and a Python worker, as far as the worker library needs them.

They are real protobuf messages, so that a value of a wrong type is refused as in Azure. Names and types are those of
FunctionRpc.proto of the host; the numbers of the fields are our own, as nothing is sent anywhere.
"""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace
from typing import Any

PACKAGE = "icewatch"
# field:type, and before it what holds for the field: * repeated, % map of strings to it, | one of the fields "data".
MESSAGES = {
    "StreamingMessage": "worker_init_request:WorkerInitRequest invocation_request:InvocationRequest",
    "WorkerInitRequest": "host_version:string %capabilities:string function_app_directory:string",
    "WorkerInitResponse": "%capabilities:string worker_metadata:WorkerMetadata result:StatusResult",
    "WorkerMetadata": "runtime_name:string runtime_version:string worker_version:string worker_bitness:string "
    "%custom_properties:string",
    "StatusResult": "status:Status exception:RpcException",
    "RpcException": "source:string stack_trace:string message:string",
    "FunctionMetadataResponse": "*function_metadata_results:RpcFunctionMetadata result:StatusResult "
    "use_default_metadata_indexing:bool",
    "RpcFunctionMetadata": "name:string directory:string script_file:string entry_point:string %bindings:BindingInfo "
    "is_proxy:bool *raw_bindings:string function_id:string managed_dependency_enabled:bool "
    "retry_options:RpcRetryOptions %properties:string language:string",
    "RpcRetryOptions": "max_retry_count:int32",
    "BindingInfo": "type:string direction:Direction data_type:DataType",
    "InvocationRequest": "invocation_id:string function_id:string *input_data:ParameterBinding "
    "%trigger_metadata:TypedData trace_context:RpcTraceContext retry_context:RetryContext",
    "InvocationResponse": "invocation_id:string *output_data:ParameterBinding return_value:TypedData "
    "result:StatusResult",
    "RpcTraceContext": "trace_parent:string trace_state:string %attributes:string",
    "RetryContext": "retry_count:int32 max_retry_count:int32 exception:RpcException",
    "ParameterBinding": "name:string rpc_data|data:TypedData",
    "TypedData": "data|string:string data|json:string data|bytes:bytes data|http:RpcHttp data|int:sint64 "
    "data|double:double data|model_binding_data:ModelBindingData",
    "ModelBindingData": "version:string source:string content_type:string content:bytes",
    "RpcHttp": "method:string url:string %headers:string body:TypedData %params:string status_code:string "
    "%query:string enable_content_negotiation:bool *cookies:RpcHttpCookie",
    "RpcHttpCookie": "name:string value:string",
}
ENUMS = {
    "Status": "Failure Success Cancelled",
    "Direction": "in out inout",
    "DataType": "undefined string binary stream",
}
OWNERS = {"StatusResult": "Status", "BindingInfo": "Direction DataType"}  # an enum's names are read off its owner


def protos() -> Any:
    """The message types, as the worker library wants them: attributes of one object."""
    descriptors = import_module("google.protobuf.descriptor_pb2")
    pools, factory = import_module("google.protobuf.descriptor_pool"), import_module("google.protobuf.message_factory")
    file = descriptors.FileDescriptorProto(name="host.proto", package=PACKAGE, syntax="proto3")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for enum in OWNERS.get(name, "").split():
            one = message.enum_type.add(name=enum)
            for number, value in enumerate(ENUMS[enum].split()):
                one.value.add(name=value, number=number)
        for number, text in enumerate(fields.split(), 1):
            _field(message, text, number)
    pool = pools.DescriptorPool()
    pool.Add(file)
    found = {name: pool.FindMessageTypeByName(f"{PACKAGE}.{name}") for name in MESSAGES}
    return SimpleNamespace(**{name: factory.GetMessageClass(one) for name, one in found.items()})


def _field(message: Any, text: str, number: int) -> None:
    name, _, kind = text.partition(":")
    choice, _, plain = name.rpartition("|")
    field = message.field.add(name=plain.lstrip("*%"), number=number, label=3 if plain[0] in "*%" else 1)
    if choice:
        if not message.oneof_decl:
            message.oneof_decl.add(name=choice)
        field.oneof_index = 0
    if plain.startswith("%"):
        entry = "".join(word.capitalize() for word in field.name.split("_")) + "Entry"
        made = message.nested_type.add(name=entry)
        made.options.map_entry = True
        _field(made, "key:string", 1)
        _field(made, f"value:{kind}", 2)
        kind = f"{message.name}.{entry}"
    scalar = f"TYPE_{kind.upper()}"
    if scalar in field.Type.keys() and kind.islower():  # noqa: SIM118  # no dictionary
        field.type = field.Type.Value(scalar)
        return
    owner = next((owner for owner, enums in OWNERS.items() if kind in enums.split()), None)
    field.type = field.Type.Value("TYPE_ENUM" if owner else "TYPE_MESSAGE")
    field.type_name = f".{PACKAGE}.{f'{owner}.' if owner else ''}{kind}"
