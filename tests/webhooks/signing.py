"""Notifications signed by hand, by the words of the scheme: with neither our code nor the library's."""

import base64
import hmac
import json
from datetime import UTC, datetime
from typing import Any

# The secret of the scheme's public test vector.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_SECRET = "whsec_" + base64.b64encode(b"another secret of thirty-two b.").decode()
COMPANY, JOB = "0b0c5f0e-7f5e-4c59-9e0e-1f5a5b1c2d3e", "57c7c6e3-9a42-4c8a-8c2f-1f1f6b8f0001"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVENT: dict[str, Any] = {
    "data": {"companyId": COMPANY, "id": JOB, "status": "pending"},
    "eventId": "e1",
    "eventType": "v1.export-job.created",
}


def signature(body: bytes, *, secret: str = SECRET, at: datetime | str = NOW, webhook_id: str = "msg_1") -> str:
    """Give the value of the header webhook-signature."""
    seconds = at if isinstance(at, str) else str(int(at.timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return "v1," + base64.b64encode(hmac.digest(key, f"{webhook_id}.{seconds}.".encode() + body, "sha256")).decode()


def headers(body: bytes, **signed: Any) -> list[tuple[str, str]]:
    """Give the three headers of a signed body; `signed` goes to `signature`."""
    at = signed.get("at", NOW)
    return [
        ("Webhook-Id", signed.get("webhook_id", "msg_1")),
        ("Webhook-Timestamp", at if isinstance(at, str) else str(int(at.timestamp()))),
        ("Webhook-Signature", signature(body, **signed)),
    ]


BODY = json.dumps(EVENT).encode()
