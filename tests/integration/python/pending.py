"""SDKs of providers whose presets are not there yet: an entry moves to sdks.py when its preset comes."""

import base64
import datetime
import pathlib
import uuid
import zlib

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from OpenSSL import crypto
from paypalrestsdk.notifications import WebhookEvent

from sdks import Entry, as_json, event

WEBHOOK_ID = "8PT597110X687430LKGECATA"
CERTIFICATE_URL = "https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-a5cafa77"


def pem(name):
    return (pathlib.Path(__file__).parent.parent / "certificates" / f"{name}.pem").read_text()


def paypal(key, at, url, text):
    body = event(text, event_type="PAYMENT.SALE.COMPLETED")
    transmission = str(uuid.uuid4())
    when = datetime.datetime.fromtimestamp(at, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    signed = f"{transmission}|{when}|{WEBHOOK_ID}|{zlib.crc32(body)}".encode()
    private = serialization.load_pem_private_key(key.encode(), None)
    signature = base64.b64encode(private.sign(signed, padding.PKCS1v15(), hashes.SHA256())).decode()
    return as_json(body, paypal_transmission_id=transmission, paypal_transmission_time=when, paypal_cert_url=CERTIFICATE_URL,
                   paypal_auth_algo="SHA256withRSA", paypal_transmission_sig=signature)


def check_paypal(request, url, secret):
    """What the SDK does after it has fetched the certificate and checked its chain."""
    certificate = crypto.load_certificate(crypto.FILETYPE_PEM, secret.encode())
    headers = request.headers
    return WebhookEvent._verify_signature(
        headers["paypal-transmission-id"], headers["paypal-transmission-time"], WEBHOOK_ID, request.body.decode(),
        certificate, headers["paypal-transmission-sig"], "sha256WithRSAEncryption")


ENTRIES = [
    Entry("paypal", pem("paypal"), pem("other_key"), paypal, check_paypal, key=pem("key"),
          source={"secrets": [{"name": "webhook_id", "inline": WEBHOOK_ID}]}),
]
