"""Tables as people have them: reading, encoding, and estimators that take a frame as it is."""

from fastmlp.tables.encoder import TableEncoder

__all__ = ["TableEncoder"]
