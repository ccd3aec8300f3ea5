"""Links that lead back to the sandbox: to a receipt, signed and for a day, and to the page of an expense.

Source: definition ExportItemFile.url, valid for 24 hours after the item was read; definition LinksResponse.
"""

import base64
import hmac
import re
from dataclasses import dataclass, field
from typing import Final

from tallybook.sandbox.errors import Refusal

LINK_LIFETIME_S: Final = 24 * 3600  # definition: valid for 24 hours after the item was read
_PAGE: Final = "page"  # in a mark, where that of a receipt has its position


@dataclass(frozen=True, slots=True)
class Links:
    """Makes and checks the links of one world; `secret` signs them.

    A stored document carries a mark in place of each link; the links are made when it is read.
    """

    secret: bytes = field(repr=False)

    @property
    def _mark(self) -> str:
        return f"sandbox-link:{hmac.digest(self.secret, b'mark', 'sha256').hex()[:24]}:"

    def mark(self, entry_id: str, receipt: int) -> str:
        """Give what stands in a stored document in place of the link of one receipt."""
        return f"{self._mark}{entry_id}:{receipt}"

    def to_page(self, entry_id: str) -> dict[str, dict[str, str]]:
        """Give the `_links` of a stored document: three times the mark of the expense's page."""
        page = {"exportItem": f"{self._mark}{entry_id}:{_PAGE}"}
        return {"api": page, "mobile": page, "web": page}

    def receipt_of(self, url: str) -> int | None:
        """Read the receipt's position out of a mark; None for any other url."""
        position = url.rpartition(":")[2]
        return int(position) if url.startswith(self._mark) and position != _PAGE else None

    def fill(self, documents: str, base_url: str, now_s: float) -> str:
        """Turn every mark in the JSON text into a link; those to receipts work from now for 24 hours."""
        if self._mark not in documents:
            return documents
        expires = int(now_s) + LINK_LIFETIME_S

        def link(found: re.Match[str]) -> str:
            if found[2] == _PAGE:
                return f"{base_url}/expenses/{found[1]}"
            path = f"/files/{found[1]}/{found[2]}"
            return f"{base_url}{path}?expires={expires}&signature={self._sign(path, expires)}"

        return re.sub(re.escape(self._mark) + rf"([0-9a-f-]{{36}}):(\d+|{_PAGE})", link, documents)

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
