"""TLS as Cairn speaks it: version 1.2 or later, no compression, no renegotiation, and certificates that may change while it runs."""

from __future__ import annotations

import logging
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from ..errors import BadInput

log = logging.getLogger("cairn.tls")
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
_LOOK_SECONDS = 1.0


def client_context(ca: Path | None = None) -> ssl.SSLContext:
    """How Cairn reaches a server: its certificate and name are checked, against the system's authorities or only those in `ca`.

    Raises BadInput for a file that holds no certificates or can't be read.
    """
    try:
        context = ssl.create_default_context(cafile=None if ca is None else str(ca))
    except (OSError, ssl.SSLError) as error:
        raise BadInput(f"{ca} can't be read as a file of certificates: {_reason(error)}") from None
    return _hardened(context)


def pinned_context(certificate: Path) -> ssl.SSLContext:
    """How to reach the server that shows the first certificate in this file: that very one, whatever name it is for.

    Raises BadInput for a file that holds none or can't be read.
    """
    try:
        text = certificate.read_text("ascii")
        first = text[text.index(_BEGIN) : text.index(_END) + len(_END)]
        context = ssl.create_default_context(cadata=first)
    except (OSError, ValueError) as error:
        raise BadInput(f"{certificate} can't be read as a certificate: {error}") from None
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.check_hostname = False
    return _hardened(context)


def show(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Make a client show a certificate. Raises BadInput when the files are none with its key."""
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ssl.SSLError) as error:
        raise BadInput(f"{certificate} and {key} are no certificate with its key: {_reason(error)}") from None


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files, in PEM, by which a server shows who it is: the certificate with what it was issued by, and its key.

    `client_ca`: authorities, one of which must have issued the certificate that every client then has to show.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None

    def context(self) -> ssl.SSLContext:
        """A server's context with the files as they are now. Raises BadInput that says which file is wrong."""
        context = _hardened(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        context.set_alpn_protocols(["http/1.1"])
        show(context, self.certificate, self.key)
        if self.client_ca is not None:
            try:
                context.load_verify_locations(self.client_ca)
            except (OSError, ssl.SSLError) as error:
                raise BadInput(f"{self.client_ca} can't be read as a file of certificates: {_reason(error)}") from None
            context.verify_mode = ssl.CERT_REQUIRED
            context.options |= ssl.OP_NO_TICKET  # who resumes a session shows no certificate
            context.num_tickets = 0
        return context

    def stamps(self) -> tuple[tuple[int, int, int] | None, ...]:
        """What changes when one of the files does."""
        return tuple(_stamp(file) for file in (self.certificate, self.key, self.client_ca) if file is not None)


class Reloading:
    """A server's context whose certificate follows its files: who connects a second after they changed sees the new one.

    Connections that are open stay as they are. Files that don't fit together, as while they are being replaced, are not taken: the
    certificate before them stays in use, and the log says so. Raises BadInput when they don't fit together to begin with.
    """

    def __init__(self, certificate: Certificate) -> None:
        self._certificate = certificate
        self._stamps = certificate.stamps()
        self._looked = time.monotonic()
        self._current = certificate.context()
        self.context = certificate.context()
        self.context.sni_callback = self._choose

    def _choose(self, connection: ssl.SSLSocket | ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        """Called by every handshake, with a name or without."""
        if time.monotonic() - self._looked >= _LOOK_SECONDS:
            self._look()
        connection.context = self._current

    def _look(self) -> None:
        self._looked = time.monotonic()
        stamps = self._certificate.stamps()
        if stamps == self._stamps:
            return
        self._stamps = stamps
        try:
            self._current = self._certificate.context()
        except BadInput as error:
            log.error("the certificate changed and can't be used, so the one before stays in use: %s", error.message)
        else:
            log.info("the certificate changed; new connections see the new one")


def _hardened(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    return context


def _no_password() -> str:
    """Instead of a question on the terminal that nobody answers."""
    raise BadInput("the key is encrypted; give one that is not, in a file that only Cairn can read")


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _reason(error: OSError) -> str:
    return str(cast("str | None", getattr(error, "reason", None)) or error.strerror or error)
