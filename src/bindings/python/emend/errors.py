"""What can go wrong: one class for each kind of error of the library, and each also of Python's own kind.

The message says where, what was found and what was expected. A check of an edit that does not hold is no error: the patch
is there, its ``passed`` is false, and :class:`CheckFailed` is warned of.
"""


class Error(Exception):
    """The base of all errors that emend raises."""


class UsageError(Error, ValueError):
    """An argument is out of range, or arguments contradict each other."""


class ConfigError(Error, ValueError):
    """An edit, an edit file or an option of a method holds an impossible value."""


class FormatError(Error, ValueError):
    """A file breaks the rules of its format."""


class ModelError(Error):
    """The file is valid, but this model cannot be used for that."""


class IoError(Error, OSError):
    """The operating system could not read or write."""


class NumericError(Error, ArithmeticError):
    """A search did not converge, or a matrix is not positive definite."""


class Interrupted(Error):
    """The work was stopped. Ctrl-C raises KeyboardInterrupt instead."""


class InternalError(Error, RuntimeError):
    """A fault of emend or of libtorch; memory that does not suffice, too."""


class CheckFailed(UserWarning):
    """The work is done, but a check does not hold."""
