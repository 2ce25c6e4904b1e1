"""Python's own parser of regular expressions: the only way to see a pattern's structure. Private to Python, thus one door."""

from importlib import import_module
from typing import Any

parser: Any = import_module("re._parser")
constants: Any = import_module("re._constants")
