"""E-mail: one plain-text message to everybody in the list, by SMTP, in a thread."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from urllib.parse import unquote, urlsplit

from ..clock import Clock
from .channel import DeliveryFailed, Message
from .message import as_text, subject

_TIMEOUT_S = 10.0
_OWN = frozenset({"localhost", "127.0.0.1", "::1"})


class Mail:
    """Sends every message through the server of `url` (`smtp[s]://user:password@host:port`).

    `smtp` switches to TLS where the server offers it; a password is never sent in the clear to another machine.
    """

    name = "email"

    def __init__(self, *, url: str, sender: str, receivers: tuple[str, ...], clock: Clock) -> None:
        parts = urlsplit(url)
        self._tls = parts.scheme == "smtps"
        self._host = parts.hostname or ""
        self._port = parts.port or (465 if self._tls else 587)
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._sender, self._receivers = sender, receivers
        self._clock = clock

    async def send(self, message: Message) -> None:
        """Raises DeliveryFailed."""
        mail = self._mail(message)
        try:
            await asyncio.to_thread(self._send, mail)
        except (smtplib.SMTPException, OSError, ValueError) as error:
            where = f"The mail server {self._host}:{self._port}"
            raise DeliveryFailed(f"{where} did not take the message: {_reason(error)}.") from None

    def _mail(self, message: Message) -> EmailMessage:
        mail = EmailMessage(policy=SMTP)
        mail["Subject"] = subject(message)
        mail["From"] = Address("marketwatch", addr_spec=self._sender)
        mail["To"] = [Address(addr_spec=receiver) for receiver in self._receivers]
        mail["Date"] = format_datetime(datetime.fromtimestamp(self._clock.now_ms() // 1000, UTC))
        mail["Message-ID"] = f"<{message.message_id}@marketwatch.invalid>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(as_text(message))
        return mail

    def _send(self, mail: EmailMessage) -> None:
        with self._connect() as server:
            if not self._tls and server.has_extn("starttls"):
                server.starttls(context=ssl.create_default_context())
                server.ehlo()
            elif not self._tls and self._user and self._host not in _OWN:
                raise ValueError("it offers no TLS, so the password is not sent")
            if self._user:
                server.login(self._user, self._password)
            server.send_message(mail, self._sender, self._receivers)

    def _connect(self) -> smtplib.SMTP:
        if self._tls:
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                self._host, self._port, timeout=_TIMEOUT_S, context=ssl.create_default_context()
            )
        else:
            server = smtplib.SMTP(self._host, self._port, timeout=_TIMEOUT_S)
        server.ehlo()
        return server


def _reason(error: Exception) -> str:
    """What went wrong, without what the server said back: that may repeat the login."""
    if isinstance(error, smtplib.SMTPResponseException):
        return f"it answered {error.smtp_code}"
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "it refused the receivers"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLError):
        return "its certificate is not trusted, or it does not speak TLS"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) if type(error) is ValueError else type(error).__name__
