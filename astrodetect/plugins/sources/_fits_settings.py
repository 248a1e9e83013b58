"""A class method that sees the settings of the instance through which it is called."""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import Any


class settings_method(classmethod):  # type: ignore[type-arg]  # noqa: N801
    """Like `classmethod`, but bound to the instance where there is one.

    Settings with defaults are attributes of the class too, so ``cls.setting`` gives the default when
    the class is asked and the instance's value when an instance is. The first parameter is the class
    or the instance.
    """

    def __get__(self, instance: Any, owner: type[Any] | None = None) -> Callable[..., Any]:
        """Bind to the instance, else to the class."""
        return MethodType(self.__func__, owner if instance is None else instance)
