"""host.json and the bindings of an app, read or refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

from local.bindings import QueueOutput, QueueTrigger, registered
from local.host import ROOT
from local.host_config import Encoding, HostConfig
from shared.errors import BadSetting


def parse(**parts: Any) -> HostConfig:
    return HostConfig.parse(json.dumps({"version": "2.0"} | parts), "host.json")


def test_the_defaults_are_those_of_the_real_host() -> None:
    config = parse()
    queues, blobs = config.extensions.queues, config.extensions.blobs
    cores = os.cpu_count() or 1
    assert (queues.batch_size, queues.threshold, queues.max_dequeue_count) == (16, 8 * cores, 5)
    assert (queues.visibility_timeout, queues.max_polling_interval) == (0, 60)
    assert queues.message_encoding is Encoding.BASE64
    assert (blobs.max_degree_of_parallelism, blobs.poison_blob_threshold) == (8 * cores, 5)
    assert config.extensions.http.route_prefix == "api"
    assert config.function_timeout == 1800


def test_stated_values_are_read() -> None:
    config = parse(
        functionTimeout="-1",
        logging={"logLevel": {"default": "Information"}},
        extensions={
            "queues": {"batchSize": 1, "newBatchThreshold": 0, "visibilityTimeout": "1.00:02:03"},
            "http": {"routePrefix": ""},
        },
    )
    queues = config.extensions.queues
    assert (queues.batch_size, queues.threshold, queues.visibility_timeout) == (1, 0, 86_523)
    assert config.function_timeout is None
    assert config.extensions.http.route_prefix == ""


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"extensions": {"queues": {"batchsize": 1}}}, "'extensions.queues.batchsize' is unknown"),
        ({"extensions": {"queues": {"batchSize": 33}}}, "extensions.queues.batchSize: Input should be less than"),
        ({"extensions": {"queues": {"visibilityTimeout": "30"}}}, "'30' is no duration; expected hh:mm:ss"),
        ({"extensions": {"queues": {"messageEncoding": "utf16"}}}, "extensions.queues.messageEncoding: Input should"),
        ({"extensions": {"eventHubs": {}}}, "'extensions.eventHubs' is unknown"),
        ({"version": "1.0"}, "version: Input should be '2.0'"),
        ({"functionTimeout": 5}, "functionTimeout: '5' is no duration"),
    ],
)
def test_what_the_host_does_not_know_is_refused_with_its_place(parts: dict[str, Any], says: str) -> None:
    with pytest.raises(BadSetting) as caught:
        parse(**parts)
    assert str(caught.value).startswith("host.json cannot be used: ")
    assert says in str(caught.value)


def test_a_host_json_that_is_missing_or_no_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="cannot be read"):
        HostConfig.read(tmp_path / "host.json")
    with pytest.raises(BadSetting, match="cannot be used: the file"):
        HostConfig.parse("{", "host.json")


def test_the_host_json_of_the_project_is_one_this_host_runs() -> None:
    assert HostConfig.read(ROOT / "host.json").extensions.queues.message_encoding is Encoding.NONE


def test_app_settings_replace_values_of_the_file_as_in_azure(tmp_path: Path) -> None:
    file = tmp_path / "host.json"
    file.write_text('{"version": "2.0", "extensions": {"queues": {"batchSize": 1, "messageEncoding": "none"}}}')
    settings = {
        "AzureFunctionsJobHost__extensions__queues__batchSize": "4",
        "AzureFunctionsJobHost__functionTimeout": "00:10:00",
        "Other": "x",
    }
    config = HostConfig.read(file, settings)
    assert (config.extensions.queues.batch_size, config.extensions.queues.message_encoding) == (4, Encoding.NONE)
    assert config.function_timeout == 600


@pytest.mark.parametrize("name", ["extensions__queues__batchsize", "extensions__queues__batchSize", "unknown"])
def test_an_app_setting_that_the_host_cannot_use_is_refused_with_its_name(tmp_path: Path, name: str) -> None:
    file = tmp_path / "host.json"
    file.write_text('{"version": "2.0"}')
    with pytest.raises(BadSetting, match=f"host.json with AzureFunctionsJobHost__{name} cannot be used"):
        HostConfig.read(file, {f"AzureFunctionsJobHost__{name}": "many"})


def test_bindings_are_read_with_their_settings_filled_in_and_as_often_as_wanted() -> None:
    app = func.FunctionApp()

    @app.function_name("step")
    @app.queue_trigger("message", "%IN%-queue", "Store")
    @app.queue_output("out", "later", "Store")
    def f(message: func.QueueMessage, out: func.Out[str], context: func.Context) -> None: ...

    for _ in range(2):
        [function] = registered(app, {"IN": "first"})
        assert (function.name, function.id) == ("step", "Host.Functions.step")
        assert function.trigger == QueueTrigger("message", "first-queue", "Store")
        assert function.outputs == (QueueOutput("out", "later", "Store"),)
        assert function.wants_context
        assert function.takes is func.QueueMessage


def test_a_binding_this_host_cannot_run_is_refused() -> None:
    app = func.FunctionApp()

    @app.timer_trigger("timer", "0 0 0 * * *")
    @app.table_output("row", "Store", "table")
    def f(timer: func.TimerRequest, row: func.Out[str]) -> None: ...

    with pytest.raises(BadSetting, match=r"Function f has a table binding, which the one-machine host cannot run."):
        registered(app, {})


def test_a_blob_container_that_depends_on_the_blob_is_refused() -> None:
    app = func.FunctionApp()

    @app.blob_trigger("blob", "{any}/{name}", "Store")
    def f(blob: func.InputStream) -> None: ...

    with pytest.raises(BadSetting, match=r"Function f watches '{any}/{name}'; expected container/pattern."):
        registered(app, {})


def test_a_function_whose_arguments_do_not_fit_its_bindings_is_refused() -> None:
    app = func.FunctionApp()

    @app.queue_trigger("message", "q", "Store")
    def f(msg: func.QueueMessage) -> None: ...

    with pytest.raises(BadSetting, match=r"Function f and its bindings disagree about message, msg."):
        registered(app, {})


def test_two_functions_of_one_name_are_refused() -> None:
    app = func.FunctionApp()
    for queue in ("a", "b"):

        @app.function_name("same")
        @app.queue_trigger("message", queue, "Store")
        def f(message: func.QueueMessage) -> None: ...

    with pytest.raises(BadSetting, match="cannot be indexed: Function same does not have a unique"):
        registered(app, {})
