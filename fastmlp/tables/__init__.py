"""Tables as people have them: reading, encoding, and estimators that take a frame as it is."""

from fastmlp.tables.encoder import TableEncoder
from fastmlp.tables.estimators import TableClassifier, TableRegressor

__all__ = ["TableClassifier", "TableEncoder", "TableRegressor"]
