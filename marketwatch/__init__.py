"""marketwatch: watches the crypto market for one person or a small team, in one process."""

__version__ = "0.2.0"
