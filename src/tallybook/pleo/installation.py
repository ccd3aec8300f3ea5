"""What Pleo calls an installation: our place at a customer's, which a login makes and which holds its tokens."""

from tallybook.pleo.transport import Call, Transport


class Installation:
    """The installation of whoever the credential belongs to."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def end(self) -> None:
        """End the installation, and with it every token of the login.

        Repeat: refused, the credential has ended with it.
        Raises:
            PleoError: no clear answer, or a refusal.
        Source: definition DELETE /v1/installations/me.
        """
        await self._transport.call(Call("end_installation", "DELETE", "/v1/installations/me", body_wanted=False))
