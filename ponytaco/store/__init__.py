"""A store of checkpoints that survives Google Drive: ``save``, ``load``, ``close``."""

from ponytaco.store.files import Files
from ponytaco.store.saves import Pointer, Save
from ponytaco.store.store import Loaded, Store

__all__ = ["Files", "Loaded", "Pointer", "Save", "Store"]
