import os
import pathlib
import signal
import subprocess
import sys
import threading

import pytest

import hookstream


def test_iterating_and_settling_without_asyncio(relay):
    with hookstream.Client(relay.target) as client, client.subscribe("all", confirm=True) as stream:
        event_id = relay.send()
        with next(stream) as delivery:
            assert delivery.event.id == event_id
        assert delivery.settled


def test_run_calls_handlers_on_threads_until_it_is_stopped(relay):
    ids = {relay.send() for _ in range(20)}
    seen = set()
    threads = set()
    stop = threading.Event()

    def handler(delivery):
        seen.add(delivery.event.id)
        threads.add(threading.current_thread().name)
        if seen == ids:
            stop.set()

    with hookstream.Client(relay.target) as client:
        client.run("all", handler, concurrency=4, stop=stop)
    assert seen == ids
    assert all(name.startswith("hookstream-handler") for name in threads)


def test_run_raises_what_the_relay_refuses(relay):
    with hookstream.Client(relay.target) as client:
        with pytest.raises(hookstream.SubscribeError, match="NOT_FOUND"):
            client.run("nobody", lambda delivery: None)


def test_the_example_prints_payments_and_stops_on_sigterm(relay):
    example = pathlib.Path(__file__).resolve().parents[1] / "examples" / "payments.py"
    source = example.read_text().replace("127.0.0.1:9090", relay.target).replace('"demo"', '"all"')
    process = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, text=True, env=os.environ)
    relay.send(id="pi_example", amount=1999, currency="eur")
    assert process.stdout.readline() == "pi_example: 1999 eur\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    process.stdout.close()
