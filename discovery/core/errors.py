"""The exceptions a person may meet at the command line.

DiscoveryError              something the user can mend; the message names the remedy
├── ConfigError             an option, a configuration file or a value out of range
├── RunFolderError          a run folder is missing, unreadable, in use, or of another kind
├── JournalError            the journal cannot be written or read
├── LineageError            the git repository of a run cannot be written or read
├── CertificateError        a certificate cannot be read, was altered, or its claim does not hold
├── MemoryFileError         a file of what was learned cannot be written or read
└── RunError                a run cannot start or go on
"""

from __future__ import annotations


class DiscoveryError(Exception):
    """Something the user can mend; the message names the remedy."""


class ConfigError(DiscoveryError):
    """An option, a configuration file or a value is out of range."""


class RunFolderError(DiscoveryError):
    """A run folder is missing, unreadable, in use by another process, or of another kind."""


class JournalError(DiscoveryError):
    """The journal cannot be written or read."""


class LineageError(DiscoveryError):
    """The git repository of a run cannot be written or read, or holds no such program."""


class MemoryFileError(DiscoveryError):
    """A file of what was learned cannot be written or read, or holds something else."""


class CertificateError(DiscoveryError):
    """A certificate cannot be read, was altered, or its claim does not hold."""


class RunError(DiscoveryError):
    """A run cannot start or go on."""
