"""All of bandmate's exceptions.

BandmateError
├── AudioError       a file or buffer is not the audio that was asked for
├── RegionError      a time range that does not fit the audio
├── BundleError      a model on disk is missing, damaged or of another kind
├── DeviceError      the wanted device cannot be used
├── SettingsError    a setting out of its range, an unknown stem or name
├── ChainError       a file of effect chains that makes no sense
├── PluginError      an effect or plug-in that cannot be loaded, or misbehaves
├── OutputError      the result cannot be written, or is there already
├── CorpusError      a training corpus, or a tool to make one, is missing
├── CheckpointError  a checkpoint does not fit the network
├── DawError         scripts cannot be put where a DAW looks for them
├── SoundCardError   a sound device cannot be used, or has gone
├── ExportError      an exported graph does not compute what its network does
├── ProtocolError    bytes that are not the OSC that this server speaks
├── RequestError     a request that is not accepted; its code says of what kind the trouble is
├── DownloadError    a published file cannot be fetched, or is not what was published
├── ServerError      the server refused, failed, or does not answer (seen by a client)
└── Cancelled        the user stopped the work

Those of arguments that a caller gets wrong are ValueErrors too: AudioError, RegionError,
DeviceError, SettingsError and ChainError.
"""

from __future__ import annotations


class BandmateError(Exception):
    """Base of all errors that a user can act on; its text is one clear line."""


class AudioError(BandmateError, ValueError):
    """A file or buffer is not the audio that was asked for."""


class RegionError(BandmateError, ValueError):
    """A time range does not fit the audio."""


class BundleError(BandmateError):
    """A model on disk is missing, damaged or of another kind."""


class DeviceError(BandmateError, ValueError):
    """The wanted device cannot be used."""


class SettingsError(BandmateError, ValueError):
    """A setting is out of its range, or names something unknown."""


class ChainError(BandmateError, ValueError):
    """A file of effect chains makes no sense."""


class PluginError(BandmateError):
    """An effect or a plug-in cannot be loaded, or misbehaves."""


class OutputError(BandmateError):
    """The result cannot be written, or is there already."""


class CorpusError(BandmateError):
    """A training corpus, or a tool to make one, is missing."""


class CheckpointError(BandmateError):
    """A checkpoint does not fit the network."""


class DawError(BandmateError):
    """Scripts cannot be put where a DAW looks for them."""


class SoundCardError(BandmateError):
    """A sound device cannot be used, or has gone."""


class ExportError(BandmateError):
    """An exported graph does not compute what its network does."""


class ProtocolError(BandmateError):
    """Bytes from a peer are not the OSC that this server speaks."""


class RequestError(BandmateError):
    """A request is not accepted.

    code: as in HTTP: 400 arguments, 401 token, 403 path, 404 unknown, 409 id used, 413 size,
        500 our own fault, 503 busy, 507 disk full.
    """

    def __init__(self, code: int, message: str):
        super().__init__(message)
        self.code = code


class DownloadError(BandmateError):
    """A published file cannot be fetched, or is not what was published."""


class ServerError(BandmateError):
    """The server refused, failed, or does not answer; `code` is that of its error, or 0."""

    def __init__(self, message: str, code: int = 0):
        super().__init__(message)
        self.code = code


class Cancelled(BandmateError):
    """The user stopped the work."""
