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
├── ExportError      an exported graph does not compute what its network does
└── Cancelled        the user stopped the work
"""

from __future__ import annotations


class BandmateError(Exception):
    """Base of all errors that a user can act on; its text is one clear line."""


class AudioError(BandmateError):
    """A file or buffer is not the audio that was asked for."""


class RegionError(BandmateError):
    """A time range does not fit the audio."""


class BundleError(BandmateError):
    """A model on disk is missing, damaged or of another kind."""


class DeviceError(BandmateError):
    """The wanted device cannot be used."""


class SettingsError(BandmateError):
    """A setting is out of its range, or names something unknown."""


class ChainError(BandmateError):
    """A file of effect chains makes no sense."""


class PluginError(BandmateError):
    """An effect or a plug-in cannot be loaded, or misbehaves."""


class OutputError(BandmateError):
    """The result cannot be written, or is there already."""


class CorpusError(BandmateError):
    """A training corpus, or a tool to make one, is missing."""


class CheckpointError(BandmateError):
    """A checkpoint does not fit the network."""


class ExportError(BandmateError):
    """An exported graph does not compute what its network does."""


class Cancelled(BandmateError):
    """The user stopped the work."""
