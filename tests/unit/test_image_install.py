"""What the image's build runs: Sen2Cor and the maps are installed whole from the file that was meant, or not at all."""

from __future__ import annotations

import hashlib
import http.server
import io
import re
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from container.image import install_auxiliary, install_sen2cor
from container.image.fetch import Refused, fetch
from container.image.pinned import fault
from tests.conftest import ROOT

DIGEST = "0123456789abcdef" * 4
# As ESA's installer: a shell script that takes --target and --nox11 and unpacks what hangs on to it.
INSTALLER = """#!/bin/sh
target=; x11=yes
while [ $# -gt 0 ]; do
    case $1 in
        --target) target=$2; shift ;;
        --nox11) x11=no ;;
        *) echo "Unrecognized flag: $1"; exit 1 ;;
    esac
    shift
done
[ "$x11" = no ] || exit 1
mkdir -p "$target/bin" "$HOME/sen2cor/2.12/cfg"
{body}
echo "Installation done"
exit 0
"""
GOOD = 'printf "#!/bin/sh\\necho Version: 02.12.03\\n" > "$target/bin/L2A_Process"; chmod +x "$target/bin/L2A_Process"'
LAND, WATER = "ESACCI-LC-L4-LCCS-Map-300m-P1Y-2015-v2.0.7.tif", "ESACCI-LC-L4-WB-Map-150m-P13Y-2000-v4.0.tif"
SNOW = "ESACCI-LC-L4-Snow-Cond-500m-P13Y7D-2000-2012-v2.0"


class Server:
    """Gives away bytes by path."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.short = 0  # bytes that are announced and not sent
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = server.files.get(self.path)
                self.send_response(200 if body is not None else 404)
                self.send_header("Content-Length", str(len(body or b"") + server.short))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_: object) -> None:
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,))
        self.thread.start()

    def give(self, path: str, body: bytes) -> tuple[str, str]:
        """Its address and SHA-256."""
        self.files[path] = body
        return f"http://127.0.0.1:{self.http.server_port}{path}", hashlib.sha256(body).hexdigest()

    def close(self) -> None:
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    made = Server()
    yield made
    made.close()


def installer(body: str = GOOD) -> bytes:
    return INSTALLER.replace("{body}", body).encode() + b"\x00\x01 the archive"


def maps(*, without: str = "", above: str = "CCI4SEN2COR/") -> bytes:
    members = {LAND: b"land", WATER: b"water", f"{SNOW}/a-v2.0.tif": b"snow", "readme.txt": b"", "../climbs": b"evil"}
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for name, data in members.items():
            if not without or not name.startswith(without):
                archive.writestr(above + name, data)
    return body.getvalue()


def test_the_right_installer_is_run_and_leaves_a_program(tmp_path: Path, server: Server) -> None:
    url, sha256 = server.give("/Sen2Cor.run", installer())
    arguments = ["--url", url, "--sha256", sha256.upper(), "--target", str(tmp_path / "sen2cor")]
    assert install_sen2cor.main(arguments) == 0
    program = tmp_path / "sen2cor/bin/L2A_Process"
    assert subprocess.run([program], capture_output=True, check=True).stdout == b"Version: 02.12.03\n"


def test_an_installer_with_another_digest_is_not_run(
    tmp_path: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    witness = tmp_path / "witness"
    url, sha256 = server.give("/Sen2Cor.run", installer(f'touch "{witness}"'))
    arguments = ["--url", url, "--sha256", DIGEST, "--target", str(tmp_path / "sen2cor")]
    assert install_sen2cor.main(arguments) == 2
    told = capsys.readouterr().err
    assert f"has the SHA-256 {sha256}; expected {DIGEST}" in told
    assert told.count("\n") == 1
    assert list(tmp_path.iterdir()) == [], "nothing is left, and nothing was run"


@pytest.mark.parametrize("sha256", ["", "abc", DIGEST + "00", "g" * 64])
def test_without_a_digest_nothing_is_fetched(tmp_path: Path, sha256: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--url", "https://example.org/", "--sha256", sha256, "--target", str(tmp_path / "sen2cor")]
    assert install_sen2cor.main(arguments) == 2
    assert "expected 64 hexadecimal digits" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["", "http://example.org/a.run", "file:///etc/passwd", "ftp://example.org/a"])
def test_only_https_is_fetched(tmp_path: Path, url: str) -> None:
    with pytest.raises(Refused, match=r"SEN2COR_URL is .*; expected an https address"):
        install_sen2cor.install(url, DIGEST, tmp_path / "sen2cor")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (GOOD + "\necho no room; exit 3", "exit code 3; it said: no room"),
        ("true", r"left no .*/sen2cor/bin/L2A_Process; it said: Installation done"),
        ('touch "$target/bin/L2A_Process"', "left no"),  # not executable
    ],
)
def test_an_installer_that_fails_leaves_nothing(tmp_path: Path, server: Server, body: str, told: str) -> None:
    url, sha256 = server.give("/Sen2Cor.run", installer(body))
    with pytest.raises(Refused, match=told):
        install_sen2cor.install(url, sha256, tmp_path / "sen2cor")
    assert list(tmp_path.iterdir()) == []


def test_sen2cor_is_not_installed_over_something_else(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="is there already"):
        install_sen2cor.install("https://example.org/", DIGEST, tmp_path)
    assert tmp_path.is_dir()


def test_a_download_that_ends_early_or_is_not_there_leaves_nothing(tmp_path: Path, server: Server) -> None:
    url, sha256 = server.give("/file", b"all of it")
    with pytest.raises(Refused, match="cannot be fetched: HTTP Error 404"):
        fetch(f"{url}-not", sha256, tmp_path / "file", most=100)
    server.short = 1
    with pytest.raises(Refused, match=r"IncompleteRead|ended after 9 of 10 bytes"):
        fetch(url, sha256, tmp_path / "file", most=100)
    assert list(tmp_path.iterdir()) == []


def test_a_download_longer_than_thinkable_is_given_up(tmp_path: Path, server: Server) -> None:
    url, sha256 = server.give("/file", bytes(1000))
    with pytest.raises(Refused, match="over 999 bytes long"):
        fetch(url, sha256, tmp_path / "file", most=999)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("above", ["", "CCI4SEN2COR/"])
def test_the_maps_are_unpacked_and_nothing_else(tmp_path: Path, server: Server, above: str) -> None:
    url, sha256 = server.give("/maps.zip", maps(above=above))
    target = tmp_path / "below" / "auxiliary"
    assert install_auxiliary.main(["--url", url, "--sha256", sha256, "--target", str(target)]) == 0
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {f"below/auxiliary/{name}" for name in (LAND, WATER, f"{SNOW}/a-v2.0.tif")}
    assert install_auxiliary.missing_maps(target) == []


def test_without_an_address_there_are_no_maps_and_no_fault(tmp_path: Path) -> None:
    target = tmp_path / "auxiliary"
    assert install_auxiliary.main(["--target", str(target)]) == 0
    assert list(target.iterdir()) == []
    assert len(install_auxiliary.missing_maps(target)) == 3


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (maps(without=WATER), r"lacks ESACCI-LC-L4-WB-Map-\*"),
        (maps(without="ESACCI"), "lacks ESACCI-LC-L4-LCCS-Map-.*, ESACCI-LC-L4-WB-Map-.*, ESACCI-LC-L4-Snow-Cond-"),
        (b"<html>Please register</html>", "cannot be read"),
    ],
)
def test_a_zip_that_lacks_a_map_leaves_nothing(tmp_path: Path, server: Server, body: bytes, told: str) -> None:
    url, sha256 = server.give("/maps.zip", body)
    with pytest.raises(Refused, match=told):
        install_auxiliary.install(url, sha256, tmp_path / "auxiliary")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("image", "version", "told"),
    [
        ("python:3.11-slim-bookworm", "dev", ""),
        (f"python:3.11-slim-bookworm@sha256:{DIGEST}", "1.2.0", ""),
        (f"python:3.11-slim-bookworm@sha256:{DIGEST}", "dev", ""),
        ("python:3.11-slim-bookworm", "1.2.0", "give it with its digest"),
        ("python:3.11-slim-bookworm@sha256:", "1.2.0", "give it with its digest"),
        (f"@sha256:{DIGEST}", "1.2.0", "give it with its digest"),
        ("", "1.2.0", "give it with its digest"),
        ("python", "", "VERSION is ''"),
        ("python", "a b", "VERSION is 'a b'"),
    ],
)
def test_a_release_stands_on_an_image_that_cannot_change(image: str, version: str, told: str) -> None:
    assert told in fault(image, version)
    done = subprocess.run(
        [sys.executable, "-m", "container.image.pinned", image, version],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.strip()) == ((2, fault(image, version)) if told else (0, ""))


def test_what_the_build_runs_needs_nothing_but_python() -> None:
    script = "import container.image.install_sen2cor, container.image.install_auxiliary, container.image.pinned"
    # -S: no site-packages
    subprocess.run([sys.executable, "-S", "-c", script], cwd=ROOT, check=True)


def test_the_dockerfile_takes_sen2cor_in_the_version_that_reads_format_15() -> None:
    assert re.search(
        r"^ARG SEN2COR_URL=https://step\.esa\.int/\S+/Sen2Cor-02\.12\.03-Linux64\.run$",
        (ROOT / "container/Dockerfile").read_text(),
        re.MULTILINE,
    )
