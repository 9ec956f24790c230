"""Annotations that Azure's Python worker refuses are refused on one machine as well, before anything is deployed."""

from __future__ import annotations

import typing

import azure.functions as func
import pytest

import function_app
from functions.blob_name import BlobName
from local.annotations import RETURN, refusals
from local.bindings import registered
from shared.errors import BadSetting

LIST = typing.List[str]  # noqa: UP006  # what the worker takes, as it does not take list[str]
NOTHING: typing.Any = type(None)


def told(annotation: typing.Any, kind: str, direction: str) -> list[str]:
    def step(bound): ...

    step.__annotations__ = {"bound": annotation}
    return list(refusals(step, {"bound": (kind, direction)}))


def told_of_return(annotation: typing.Any, kind: str) -> list[str]:
    def step(): ...

    step.__annotations__ = {"return": annotation}
    return list(refusals(step, {RETURN: (kind, "OUT")}))


# Each row was put to validate_function_params of azure-functions-runtime 1.3.0, which said the same.
@pytest.mark.parametrize(
    ("annotation", "kind", "direction"),
    [
        (func.Out[str], "queue", "OUT"),
        (func.Out[bytes], "queue", "OUT"),
        (func.Out[LIST], "queue", "OUT"),
        (func.Out[func.QueueMessage], "queue", "OUT"),
        (func.Out[typing.Sequence[str]], "queue", "OUT"),
        (func.QueueMessage, "queueTrigger", "IN"),
        (str, "queueTrigger", "IN"),
        (func.TimerRequest, "timerTrigger", "IN"),
        (func.InputStream, "blobTrigger", "IN"),
        (BlobName, "blobTrigger", "IN"),
        (func.HttpRequest, "httpTrigger", "IN"),
    ],
)
def test_what_the_worker_takes_is_taken(annotation, kind, direction):
    assert told(annotation, kind, direction) == []


@pytest.mark.parametrize(
    ("annotation", "kind", "direction", "says"),
    [
        (func.Out[list[str]], "queue", "OUT", "func.Out[list[str]]: the worker takes classes and generics"),
        (func.Out[int], "queue", "OUT", "no queue binding takes it"),
        (func.Out[list], "queue", "OUT", "no queue binding takes it"),
        (func.Out[typing.Any], "queue", "OUT", "no queue binding takes it"),
        (func.Out, "queue", "OUT", "say what is put out"),
        (str, "queue", "OUT", "an output takes func.Out"),
        (func.Out[str], "queueTrigger", "IN", "func.Out is for outputs"),
        (int, "queueTrigger", "IN", "no queueTrigger binding takes it"),
        (func.TimerRequest, "queueTrigger", "IN", "no queueTrigger binding takes it"),
        (func.QueueMessage | None, "queueTrigger", "IN", "the worker takes classes and generics"),
        (dict, "timerTrigger", "IN", "no timerTrigger binding takes it"),
        (BlobName, "queueTrigger", "IN", "no queueTrigger binding takes it"),
    ],
)
def test_what_the_worker_refuses_is_refused_in_a_sentence(annotation, kind, direction, says):
    (sentence,) = told(annotation, kind, direction)
    assert sentence.startswith("argument bound is annotated ")
    assert says in sentence


@pytest.mark.parametrize(("annotation", "kind"), [(str, "http"), (func.HttpResponse, "http"), (str, "queue")])
def test_a_return_value_that_the_worker_takes_is_taken(annotation, kind):
    assert told_of_return(annotation, kind) == []


@pytest.mark.parametrize(
    ("annotation", "kind", "says"),
    [
        (NOTHING, "http", "no http output takes it"),
        (int, "http", "no http output takes it"),
        (float, "queue", "no queue output takes it"),
        (list[str], "queue", "plain classes only"),
        (LIST, "queue", "plain classes only"),
    ],
)
def test_a_return_value_that_the_worker_refuses_is_refused(annotation, kind, says):
    (sentence,) = told_of_return(annotation, kind)
    assert says in sentence


def test_a_context_is_the_librarys():
    def step(context: str): ...

    step.__annotations__ = {"context": str}
    assert list(refusals(step, {})) == ["argument context is annotated str: expected azure.functions.Context"]


def test_the_one_machine_host_does_not_start_an_app_that_azure_would_not_start():
    app = func.FunctionApp()

    @app.function_name("step")
    @app.queue_trigger("message", "in", "Store")
    @app.queue_output("out", "later", "Store")
    def step(message: func.QueueMessage, out: func.Out[list[str]]) -> None: ...

    with pytest.raises(BadSetting, match=r"Function step would not start in Azure: argument out is annotated"):
        registered(app, {})


def test_the_app_itself_is_accepted():
    assert len(registered(function_app.app, {"SCHEDULE": "0 0 * * * *", "WATCH_SCHEDULE": "0 0 * * * *"})) > 10
