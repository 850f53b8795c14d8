"""Compares the relay's verdicts with those of the providers' own SDKs; ../node/sdk_check.mjs for Python.

Usage: sdk_check.py sources   prints the sources that the relay has to have, as YAML
       sdk_check.py PORT      posts each provider's requests; exits with 1 when a verdict is not what it should be
"""

import dataclasses
import http.client
import json
import sys
import time
import uuid

import sdks

PUBLIC_URL = "https://hooks.example.com/webhooks/"
ENTRIES = sdks.ENTRIES


@dataclasses.dataclass
class Case:
    name: str
    accepted: bool = False
    other_key: bool = False
    other_url: bool = False
    changed: bool = False
    unsigned: bool = False
    shift: int = 0  # of the time, in seconds


def cases(entry):
    yield Case("as it was signed", accepted=True)
    yield Case("changed body", changed=True)
    yield Case("another key", other_key=True)
    if not entry.in_body:
        yield Case("no signature", unsigned=True)
    if entry.signs_url:
        yield Case("for another URL", other_url=True)
    if entry.max_age is not None:
        future = entry.max_age if entry.max_future is None else entry.max_future
        yield Case("too old", shift=-entry.max_age - 30)
        yield Case("from the future", shift=future + 30)


def sources():
    entries = [
        {"name": entry.name, "provider": entry.name, "keys": [{"inline": entry.secret}], **entry.source}
        for entry in ENTRIES
    ]
    return "sources:\n" + "".join(f"  - {json.dumps(entry)}\n" for entry in entries)


def sdk_verdict(entry, request, url):
    """Whether the SDK accepts it, and if it threw, what it said. SDKs throw whatever they like."""
    try:
        return bool(entry.check(request, url, entry.secret)), None
    except Exception as error:  # pylint: disable=broad-except
        return False, repr(error)


def relay_verdict(port, entry, request):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", f"/webhooks/{entry.name}", request.body, request.headers)
    status = connection.getresponse().status
    connection.close()
    if status not in (200, 204, 401):
        raise RuntimeError(f"{entry.name}: the relay answered {status}")
    return status != 401


def check(port, entry, case):
    url = PUBLIC_URL + entry.name
    text = f"a{uuid.uuid4().hex}"
    key = entry.other if case.other_key else entry.key or entry.secret
    signed_url = url.replace("example", "elsewhere") if case.other_url else url
    request = entry.sign(key, int(time.time()) + case.shift, signed_url, text)
    if case.changed:
        assert text.encode() in request.body, request.body
        request.body = request.body.replace(text.encode(), b"b" + text[1:].encode())
    if case.unsigned:
        request.headers = {"content-type": request.headers["content-type"]}
    sdk, why = sdk_verdict(entry, request, url)
    relay = relay_verdict(port, entry, request)
    # Where they are known to differ, they still have to: the note would be wrong otherwise.
    differs = entry.differs.get(case.name)
    good = relay == case.accepted and sdk == (case.accepted != bool(differs))
    note = differs or (None if good else why)
    say = {True: "accepts", False: "refuses"}
    print(
        f"{'ok  ' if good else 'FAIL'} {entry.name}, {case.name}: the relay {say[relay]}, the SDK {say[sdk]}"
        + (f" ({note})" if note else "")
    )
    return good


def main(argument):
    if argument == "sources":
        print(sources(), end="")
        return 0
    results = [check(int(argument), entry, case) for entry in ENTRIES for case in cases(entry)]
    print(f"{len(ENTRIES)} entries, {len(results)} requests, {results.count(False)} wrong")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
