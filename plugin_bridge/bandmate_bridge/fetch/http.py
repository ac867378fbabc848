"""Part of a file over HTTP: one request, from a byte on, with errors that say what to do."""

from __future__ import annotations

import http.client
import socket
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import urlsplit

from bandmate_server.errors import DownloadError
from bandmate_server.version import bandmate_version

TIMEOUT = 30.0  # s without a byte
MIRROR = "or fetch the files yourself and name their folder, or a mirror, with --from"
CUT = (http.client.HTTPException, TimeoutError, ConnectionError, ssl.SSLError)
PARTIAL, UNSATISFIABLE = 206, 416


class Changed(Exception):
    """What is there is no longer the file that was begun: begin anew."""


@dataclass(frozen=True)
class Answer:
    """The body of an answer that goes on where it was asked to, or begins anew.

    start: of the body in the file, bytes.
    total: bytes of the whole file, or None where the server does not say.
    validator: what tells this version of the file from others, or "".
    """

    body: IO[bytes]
    start: int
    total: int | None
    validator: str


class KeepsHttps(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but none from https to anything else."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Return the request to make instead."""
        if urlsplit(req.full_url).scheme == "https" != urlsplit(newurl).scheme:
            raise DownloadError(f"{req.full_url} redirects to {newurl}, which is not encrypted")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def ask(url: str, start: int, validator: str) -> Answer:
    """Ask for a file from a byte on.

    Args:
        url: http or https.
        start: where to begin, 0 for the whole file.
        validator: of the version that was begun; of another one the whole comes.

    Raises:
        Changed: if the server has nothing from there on.
        DownloadError: if the address is wrong, refused or cannot be reached.
        OSError: of the kinds in CUT, if the connection breaks.
    """
    headers = {"User-Agent": f"bandmate/{bandmate_version()}"}
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": validator}
    request = urllib.request.Request(url, headers=headers)
    try:
        opener = urllib.request.build_opener(KeepsHttps)
        answer = opener.open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == UNSATISFIABLE and start:
            raise Changed from error
        raise DownloadError(_refused(url, error.code, error.reason)) from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, CUT) and not isinstance(error.reason, ConnectionRefusedError):
            raise ConnectionError(str(error.reason)) from error
        raise DownloadError(_unreachable(url, error.reason)) from error
    except ValueError as error:
        raise DownloadError(f"{url} is no address: {error}") from error
    return _answer(url, answer, start)


def _answer(url: str, answer: Any, asked: int) -> Answer:
    headers: http.client.HTTPMessage = answer.headers
    if headers.get_content_type() == "text/html":
        answer.close()
        raise DownloadError(
            f"{url} gives a web page and no file: does this network want a login?"
            f" Try again, {MIRROR}"
        )
    start, total = 0, _number(headers.get("Content-Length"))
    if answer.status == PARTIAL:
        first, _, whole = headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
        start, total = _number(first.partition("-")[0]) or 0, _number(whole)
        if start != asked:
            answer.close()
            raise Changed
    return Answer(answer, start, total, _validator(headers))


def _validator(headers: http.client.HTTPMessage) -> str:
    """Return what If-Range takes: a strong entity tag, or else the date of the last change."""
    tag = headers.get("ETag", "")
    return tag if tag.startswith('"') else headers.get("Last-Modified", "")


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.strip().isdecimal() else None


def _refused(url: str, code: int, reason: str) -> str:
    if code in (404, 410):
        return f"{url} is not there (HTTP {code}): it may have moved; look for the file, {MIRROR}"
    if code in (401, 403):
        return f"{url} is not given to us (HTTP {code} {reason}): get it by a browser, {MIRROR}"
    if code in (408, 429) or code >= 500:
        return f"{url} cannot be had now (HTTP {code} {reason}): try again later, {MIRROR}"
    return f"{url} was refused (HTTP {code} {reason}): fetch the file otherwise, {MIRROR}"


def _unreachable(url: str, reason: object) -> str:
    host = urlsplit(url).hostname
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"{host} cannot prove who it is ({reason.verify_message}): nothing was fetched"
    what = "there is no network, or no such host" if isinstance(reason, socket.gaierror) else reason
    return f"cannot reach {host} for {url}: {what}. Try again when there is a network, {MIRROR}"
