"""Download links that expire: the address of one receipt, when it ends, and a signature over both.

Source: definition ExportItemFile.url, valid for 24 hours after the item was read.
"""

import base64
import hmac
import re
from dataclasses import dataclass, field
from typing import Final

from tallybook.sandbox.errors import Refusal

LINK_LIFETIME_S: Final = 24 * 3600  # definition: valid for 24 hours after the item was read


@dataclass(frozen=True, slots=True)
class Links:
    """Makes and checks the links of one world; `secret` signs them.

    A stored document carries a mark in place of each link; the links are made when it is read.
    """

    secret: bytes = field(repr=False)

    @property
    def _mark(self) -> str:
        return f"sandbox-receipt:{hmac.digest(self.secret, b'mark', 'sha256').hex()[:24]}:"

    def mark(self, entry_id: str, receipt: int) -> str:
        """Give what stands in a stored document in place of the link of one receipt."""
        return f"{self._mark}{entry_id}:{receipt}"

    def receipt_of(self, url: str) -> int | None:
        """Read the receipt's position out of a mark; None for any other url."""
        if not url.startswith(self._mark):
            return None
        return int(url.rpartition(":")[2])

    def fill(self, documents: str, base_url: str, now_s: float) -> str:
        """Turn every mark in the JSON text into a link that works from now for 24 hours."""
        if self._mark not in documents:
            return documents
        expires = int(now_s) + LINK_LIFETIME_S

        def link(found: re.Match[str]) -> str:
            path = f"/files/{found[1]}/{found[2]}"
            return f"{base_url}{path}?expires={expires}&signature={self._sign(path, expires)}"

        return re.sub(re.escape(self._mark) + r"([0-9a-f-]{36}):(\d+)", link, documents)

    def check(self, path: str, expires: str | None, signature: str | None, now_s: float) -> None:
        """Let a download pass.

        Raises:
            Refusal: 403, the signature is not ours; 410, the link has expired.
        """
        instant = int(expires) if expires and re.fullmatch(r"[0-9]{1,15}", expires) else None
        given = (signature or "").encode()
        if instant is None or not hmac.compare_digest(self._sign(path, instant).encode(), given):
            raise Refusal(403, "INVALID_SIGNATURE", "This link was not made by Pleo, or was changed.")
        if now_s >= instant:
            raise Refusal(410, "LINK_EXPIRED", "This link has expired; read the export item again for a new one.")

    def _sign(self, path: str, expires: int) -> str:
        seal = hmac.digest(self.secret, f"{path}?expires={expires}".encode(), "sha256")
        return base64.urlsafe_b64encode(seal[:18]).decode()
