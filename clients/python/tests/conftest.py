"""A real relay for each test: the binary that `./dev build` made, on free ports, with a folder of its own."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import os
import pathlib
import signal
import subprocess
import time
import urllib.request
import uuid

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
BINARY = pathlib.Path(os.environ.get("HOOKSTREAM_BINARY", REPOSITORY / "build" / "release" / "hookstream"))
SECRET = "whsec_test"

_numbers = itertools.count()


class Relay:
    """Started by start(), ended by stop() or kill(); start() again continues on the same data and ports."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.ports = {"http": 0, "grpc": 0, "admin": 0}
        self.process: subprocess.Popen | None = None

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.ports['grpc']}"

    def start(self) -> None:
        config = self.folder / "hookstream.yaml"
        config.write_text(
            f"""
http: {{listen: "127.0.0.1:{self.ports['http']}"}}
grpc: {{listen: "127.0.0.1:{self.ports['grpc']}"}}
admin: {{listen: "127.0.0.1:{self.ports['admin']}"}}
store: {{engine: embedded, data_dir: {self.folder / 'data'}}}
sources:
  - {{name: stripe, provider: stripe, keys: [{{id: test, inline: {SECRET}}}]}}
  - {{name: bare, provider: sanity, verification: none}}
subscriptions:
  - {{name: all, retry: {{min_backoff: 100ms}}, max_attempts: 3}}
  - {{name: hasty, ack_deadline: 1s, retry: {{min_backoff: 100ms}}, max_attempts: 3}}
"""
        )
        ports_file = self.folder / "ports.json"
        ports_file.unlink(missing_ok=True)
        log = open(self.folder / "relay.log", "ab")
        self.process = subprocess.Popen(
            [str(BINARY), "serve", "--config", str(config), "--ports-file", str(ports_file)], stdout=log, stderr=log
        )
        log.close()
        deadline = time.monotonic() + 30
        while not ports_file.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.folder / "relay.log").read_text())
            time.sleep(0.01)
        self.ports = json.loads(ports_file.read_text())

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(30) == 0, (self.folder / "relay.log").read_text()
            self.process = None

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process = None

    def send(self, kind: str = "payment_intent.succeeded", **fields) -> str:
        """Posts a signed Stripe event; gives the relay's id of it."""
        number = f"{next(_numbers)}{uuid.uuid4().hex[:8]}"
        payment = {"id": f"pi_{number}", "object": "payment_intent", "amount": 2000, "currency": "usd", **fields}
        body = json.dumps(
            {
                "id": f"evt_{number}",
                "object": "event",
                "type": kind,
                "created": 1730000000,
                "livemode": False,
                "data": {"object": payment},
            }
        ).encode()
        now = int(time.time())
        mac = hmac.new(SECRET.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
        return self.post("stripe", body, {"Stripe-Signature": f"t={now},v1={mac}"})

    def send_bare(self) -> str:
        """Posts an event for which there is no message."""
        return self.post("bare", b'{"_type": "unheard_of"}', {})

    def post(self, source: str, body: bytes, headers: dict[str, str]) -> str:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.ports['http']}/webhooks/{source}",
            body,
            {"Content-Type": "application/json", **headers},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200
            return json.load(answer)["id"]


@pytest.fixture
def relay(tmp_path):
    if not BINARY.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{BINARY} is not built")
        pytest.skip(f"{BINARY} is not built: run ./dev build")
    made = Relay(tmp_path)
    made.start()
    yield made
    if made.process is not None:
        made.stop()
