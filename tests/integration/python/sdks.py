"""SDKs of providers whose library for Python is smaller than the one for Node, or the only one.

An entry is as those of ../node/sdks/common.mjs: who it is, its keys, how the provider signs, what the SDK thinks.
"""

import base64
import dataclasses
import datetime
import hashlib
import hmac
import json
import pathlib
import urllib.parse
import uuid
import zlib
from collections.abc import Callable

import Adyen.util
import plivo.utils.signature_v3
import polar.webhooks
import slack_sdk.signature
import square.utilities.webhooks_helper
from boxsdk.object.webhook import Webhook as BoxWebhook
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from OpenSSL import crypto
from paypalrestsdk.notifications import WebhookEvent

WEBHOOK_ID = "8PT597110X687430LKGECATA"
CERTIFICATE_URL = "https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-a5cafa77"


@dataclasses.dataclass
class Request:
    body: bytes
    headers: dict[str, str]


@dataclasses.dataclass
class Entry:
    name: str  # of the preset and the source
    secret: str  # as the relay's configuration has it
    other: str  # a key that nobody knows
    sign: Callable[..., Request]  # (key, at, url, text): at that time in seconds; `text` goes into what is covered
    check: Callable[[Request, str, str], object]  # (request, url, secret): truthy, falsy, or an exception
    key: str = ""  # what requests are signed with, if not the secret
    source: dict = dataclasses.field(default_factory=dict)  # further members of the source's configuration
    max_age: int | None = None  # seconds after which the relay refuses a request, and before which it does
    max_future: int | None = None  # where it is not as max_age
    signs_url: bool = False
    in_body: bool = False  # the signature is in the body
    differs: dict[str, str] = dataclasses.field(default_factory=dict)  # {a case: why the SDK decides otherwise}


def mac(key, data):
    key = key if isinstance(key, bytes) else key.encode()
    return hmac.new(key, data if isinstance(data, bytes) else data.encode(), hashlib.sha256)


def mac64(key, data):
    return base64.b64encode(mac(key, data).digest()).decode()


def event(text, **more):
    return json.dumps({"id": f"evt_{uuid.uuid4().hex}", "note": f"Grüße, {text}", **more}, ensure_ascii=False).encode()


def as_json(body, **headers):
    return Request(body, {"content-type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()})


def slack(key, at, url, text):
    body = event(text, type="event_callback", event={"type": "app_mention", "channel": "C1"})
    signature = "v0=" + mac(key, b"v0:%d:%s" % (at, body)).hexdigest()
    return as_json(body, x_slack_request_timestamp=str(at), x_slack_signature=signature)


def check_slack(request, url, secret):
    return slack_sdk.signature.SignatureVerifier(secret).is_valid_request(request.body, request.headers)


def box(key, at, url, text):
    body = event(text, type="webhook_event", trigger="FILE.UPLOADED")
    zone = datetime.timezone(datetime.timedelta(hours=-8))
    when = datetime.datetime.fromtimestamp(at, zone).isoformat(timespec="seconds")
    return as_json(
        body,
        box_delivery_id=str(uuid.uuid4()),
        box_delivery_timestamp=when,
        box_signature_version="1",
        box_signature_algorithm="HmacSHA256",
        box_signature_primary=mac64(key, body + when.encode()),
    )


def polar_event(key, at, url, text):
    body = event(text, type="order.created")
    message = f"msg_{uuid.uuid4().hex}"
    return as_json(
        body,
        webhook_id=message,
        webhook_timestamp=str(at),
        webhook_signature="v1," + mac64(key, b"%s.%d.%s" % (message.encode(), at, body)),
    )


def check_polar(request, url, secret):
    return polar.webhooks.validate_event(request.body, request.headers, secret, frozenset({"order.created"}), dict)


def square_event(key, at, url, text):
    body = event(text, type="payment.created")
    return as_json(body, x_square_hmacsha256_signature=mac64(key, url.encode() + body))


def check_square(request, url, secret):
    signature = request.headers["x-square-hmacsha256-signature"]
    return square.utilities.webhooks_helper.is_valid_webhook_event_signature(
        request.body.decode(), signature, secret, url
    )


def adyen_payments(key, at, url, text):
    item = {
        "pspReference": uuid.uuid4().hex,
        "merchantAccountCode": "Shop",
        "merchantReference": text,
        "amount": {"value": 1130, "currency": "EUR"},
        "eventCode": "AUTHORISATION",
        "success": "true",
        "eventDate": "2026-01-01T00:00:00+01:00",
    }
    item["additionalData"] = {"hmacSignature": Adyen.util.generate_notification_sig(item, key).decode()}
    return as_json(json.dumps({"live": "false", "notificationItems": [{"NotificationRequestItem": item}]}).encode())


def adyen_platform(key, at, url, text):
    body = event(text, type="balancePlatform.transfer.created")
    return as_json(body, protocol="HmacSHA256", hmacsignature=Adyen.util.generate_payload_sig(body, key).decode())


def plivo_message(key, at, url, text):
    fields = {"MessageUUID": str(uuid.uuid4()), "Status": "delivered", "To": "15550100", "Text": f"{text} & Grüße"}
    nonce = uuid.uuid4().hex
    signed = f"{url}?" + "".join(name + fields[name] for name in sorted(fields)) + f".{nonce}"
    return Request(
        urllib.parse.urlencode(fields).encode(),
        {
            "content-type": "application/x-www-form-urlencoded",
            "x-plivo-signature-v3-nonce": nonce,
            "x-plivo-signature-v3": mac64(key, signed),
        },
    )


def check_plivo(request, url, secret):
    fields = dict(urllib.parse.parse_qsl(request.body.decode()))
    return plivo.utils.signature_v3.validate_v3_signature(
        "POST",
        url,
        request.headers["x-plivo-signature-v3-nonce"],
        secret,
        request.headers["x-plivo-signature-v3"],
        fields,
    )


def pem(name):
    """Keys and certificates that were made for these tests, and that nothing else trusts."""
    return (pathlib.Path(__file__).parent.parent / "certificates" / f"{name}.pem").read_text()


def paypal(key, at, url, text):
    body = event(text, event_type="PAYMENT.SALE.COMPLETED")
    transmission = str(uuid.uuid4())
    when = datetime.datetime.fromtimestamp(at, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    signed = f"{transmission}|{when}|{WEBHOOK_ID}|{zlib.crc32(body)}".encode()
    private = serialization.load_pem_private_key(key.encode(), None)
    signature = base64.b64encode(private.sign(signed, padding.PKCS1v15(), hashes.SHA256())).decode()
    return as_json(
        body,
        paypal_transmission_id=transmission,
        paypal_transmission_time=when,
        paypal_cert_url=CERTIFICATE_URL,
        paypal_auth_algo="SHA256withRSA",
        paypal_transmission_sig=signature,
    )


def check_paypal(request, url, secret):
    """What the SDK does after it has fetched the certificate and checked its chain."""
    certificate = crypto.load_certificate(crypto.FILETYPE_PEM, secret.encode())
    headers = request.headers
    return WebhookEvent._verify_signature(
        headers["paypal-transmission-id"],
        headers["paypal-transmission-time"],
        WEBHOOK_ID,
        request.body.decode(),
        certificate,
        headers["paypal-transmission-sig"],
        "sha256WithRSAEncryption",
    )


ENTRIES = [
    Entry("slack", "8f742231b10e8888abcd99yyyzzz85a5", "another", slack, check_slack, max_age=300),
    Entry(
        "box",
        "box secret",
        "another",
        box,
        lambda request, url, secret: BoxWebhook.validate_message(request.body, request.headers, secret),
        source={"secrets": [{"name": "key_slot", "inline": "primary"}]},
        max_age=600,
        max_future=0,
        differs={"too old": "this SDK looks at no time", "from the future": "this SDK looks at no time"},
    ),
    Entry("polar", "polar_whs_secret", "another", polar_event, check_polar, max_age=300),
    Entry("square", "square key", "another", square_event, check_square, signs_url=True),
    Entry(
        "adyen-payments",
        "44782DEF547AAA06C910C43932B1EB0C",
        "00782DEF547AAA06C910C43932B1EB0C",
        adyen_payments,
        lambda request, url, secret: Adyen.util.is_valid_hmac_notification(json.loads(request.body), secret),
        in_body=True,
    ),
    Entry(
        "adyen-platform",
        "44782DEF547AAA06C910C43932B1EB0C",
        "00782DEF547AAA06C910C43932B1EB0C",
        adyen_platform,
        lambda request, url, secret: Adyen.util.is_valid_hmac_payload(
            request.headers["hmacsignature"], secret, request.body
        ),
    ),
    Entry("plivo", "plivo token", "another", plivo_message, check_plivo, signs_url=True),
    Entry(
        "paypal",
        pem("paypal"),
        pem("other_key"),
        paypal,
        check_paypal,
        key=pem("key"),
        source={"secrets": [{"name": "webhook_id", "inline": WEBHOOK_ID}]},
    ),
]
