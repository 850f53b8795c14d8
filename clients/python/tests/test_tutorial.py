"""The tutorials in docs/, run as they stand: their files are written, their commands run in their order by one shell, and
what they show of the output has to come. Only the ports are others."""

import os
import re
import shutil
import socket
import subprocess
import sys

import pytest

from conftest import BINARY, REPOSITORY

PAGES = ["tutorial-own-provider.md", "tutorial-typed-events.md"]
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


@pytest.mark.parametrize("page", PAGES)
def test_the_tutorial_does_what_it_says(page, tmp_path):
    for needed in (BINARY, shutil.which("protoc")):
        if needed is None or not os.path.exists(needed):
            if os.environ.get("CI"):
                pytest.fail(f"the tutorial needs {needed or 'protoc'}")
            pytest.skip(f"the tutorial needs {needed or 'protoc'}")
    text = (REPOSITORY / "docs" / page).read_text()
    http, grpc, admin = free_ports(3)
    for was, port in ((8080, http), (9090, grpc), (9091, admin)):
        text = text.replace(f"127.0.0.1:{was}", f"127.0.0.1:{port}")
    script = ["set -euo pipefail", "relay=", "trap '[ -z \"$relay\" ] || kill -9 $relay 2> kill.txt || true' EXIT"]
    expected = []
    for language, name, body in BLOCK.findall(text):
        if name:
            (tmp_path / name).write_text(body)
        elif language == "sh":
            script.append(body)
        else:
            assert language == "text", f"a block of {language} without a file's name"
            expected += body.splitlines()
    assert len(script) > 5 and len(expected) > 5, "the page has lost its blocks"
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "hookstream").symlink_to(BINARY)
    # Not a link: a virtual environment knows itself by the path that it was started by.
    python = programs / "python3"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "HOOKSTREAM_SERVER": f"127.0.0.1:{grpc}",
    }
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    log = tmp_path / "relay.log"
    assert done.returncode == 0, done.stdout + (log.read_text() if log.exists() else "")
    lines = done.stdout.splitlines()
    for line in expected:
        assert line in lines, f"the page says {line!r}; the commands said:\n{done.stdout}"
