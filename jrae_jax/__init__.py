"""Which hidden states of a cortical column can be recovered from which recordings, and how well.

The names below and the rooms of the package are looked up on first use; `__init__.pyi` lists them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
