"""Every family that comes with initlab: importing this imports the files beside it, which register themselves."""

from importlib import import_module
from pkgutil import iter_modules

from initlab import adapters

for _module in iter_modules(adapters.__path__):
    if _module.name != "families":
        import_module(f"{adapters.__name__}.{_module.name}")
