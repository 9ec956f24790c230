"""What an azure-functions argument may be annotated with: what Azure's Python worker takes, and nothing else.

The worker refuses the whole app for one annotation that it does not take, when it starts in Azure. It asks the
converters of the library azure-functions, and they are asked here; the rules around them are those of the worker
(azure-functions-python-worker, functions.py, "validate_function_params").
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args, get_origin, get_type_hints

import azure.functions as func
from azure.functions._thirdparty.typing_inspect import is_generic_type

RETURN = "$return"


def refusals(call: Callable[..., Any], bindings: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    """A sentence for each annotation of ``call`` that the worker refuses.

    ``bindings`` gives for each bound name its type ("queueTrigger") and direction ("IN", "OUT").
    """
    annotated = get_type_hints(call)
    for name in inspect.signature(call).parameters:
        if name not in annotated:
            continue
        taken = annotated[name]
        if name in bindings:
            kind, direction = bindings[name]
            if told := _argument(taken, kind, is_output=direction == "OUT"):
                yield f"argument {name} is annotated {_shown(taken)}: {told}"
        elif name == "context" and not (isinstance(taken, type) and taken.__name__ == "Context"):
            yield f"argument context is annotated {_shown(taken)}: expected azure.functions.Context"
    if RETURN in bindings and "return" in annotated:
        given, (kind, _) = annotated["return"], bindings[RETURN]
        if not isinstance(given, type):
            yield f"the return value is annotated {_shown(given)}: the worker takes plain classes only"
        elif not _takes(kind, given, is_output=True):
            yield f"the return value is annotated {_shown(given)}: no {kind} output takes it"


def _argument(annotation: Any, kind: str, *, is_output: bool) -> str:
    """What the worker has against ``annotation``; empty where it takes it."""
    is_out = (get_origin(annotation) or annotation) is func.Out
    if is_out is not is_output:
        return "an output takes func.Out[...]" if is_output else "func.Out is for outputs"
    if is_out and len(get_args(annotation)) != 1:
        return "say what is put out, as in func.Out[str]"
    inner = get_args(annotation)[0] if is_out else annotation
    # list[str] is neither a class nor generic to the library's own look at types; typing.List[str] is.
    if not (isinstance(inner, type) and get_origin(inner) is None) and not is_generic_type(inner):  # type: ignore[no-untyped-call]
        return "the worker takes classes and generics of typing, such as typing.List[str]"
    return "" if _takes(kind, inner, is_output=is_output) else f"no {kind} binding takes it"


def _takes(kind: str, annotation: Any, *, is_output: bool) -> bool:
    converters = [_converters().get(kind), _deferred(kind)]
    if annotation in (str, bytes):
        return True  # the worker passes such as they come
    asked = "check_output_type_annotation" if is_output else "check_input_type_annotation"
    return any(_says(getattr(one, asked, None), annotation) for one in converters)


def _says(check: Callable[[Any], bool] | None, annotation: Any) -> bool:
    try:
        return check is not None and bool(check(annotation))
    except TypeError:  # the library asks issubclass of what is no class
        return False


def _converters() -> Any:
    return func.get_binding_registry()  # type: ignore[no-untyped-call]


def _deferred(kind: str) -> Any:
    """The converter of the SDK types, which blob triggers get that want names and no bytes."""
    from azurefunctions.extensions.base import get_binding_registry

    return get_binding_registry().get(kind)


def _shown(annotation: Any) -> str:
    return inspect.formatannotation(annotation).replace("azure.functions._abc.", "func.")
