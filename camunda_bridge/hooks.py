"""Hooks: functions that run before a handler, after it or on its error, for one step or every step of a process.

    def audit(given, context):
        log.info("%s begins", context.step)

    process = define_process("onboard-user", before=[audit])

The hooks of the process surround those of the step: `before` of the process runs first, its `after` last. The time
limit of the step includes its hooks. Hooks also run in the test kit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from camunda_bridge.context import StepContext

Before = Callable[[Any, StepContext], Any]
After = Callable[[Any, StepContext], Any]
OnError = Callable[[Exception, StepContext], Any]


@dataclass(frozen=True, slots=True)
class Hooks:
    """The hooks of a step, in the order in which they run.

    Attributes:
        before: called with the input of the handler, after the schema has checked it. A value other than None that it
            returns replaces the input.
        after: called with the output of the handler, before the schema checks it. A value other than None that it
            returns replaces the output.
        on_error: called with an exception of the handler or of another hook. It may raise another exception instead,
            for example a :class:`BusinessRuleError`. What it returns is ignored.
    """

    before: tuple[Before, ...] = ()
    after: tuple[After, ...] = ()
    on_error: tuple[OnError, ...] = ()

    @classmethod
    def of(cls, before: Iterable[Before], after: Iterable[After], on_error: Iterable[OnError]) -> Hooks:
        """From the arguments of a definition."""
        return cls(tuple(before), tuple(after), tuple(on_error))

    def within(self, outer: Hooks) -> Hooks:
        """These hooks, surrounded by those of `outer`."""
        return Hooks(outer.before + self.before, self.after + outer.after, self.on_error + outer.on_error)

    def __iter__(self) -> Any:
        return iter((*self.before, *self.after, *self.on_error))

    def run(self, handler: Callable[[Any], Any], given: Any, context: StepContext) -> Any:
        """Call the handler with `given`, and the hooks around it; returns the output.

        Raises:
            Exception: what the handler or a hook raised, or what `on_error` raised instead.
        """
        try:
            for hook in self.before:
                given = _or_unchanged(hook(given, context), given)
            returned = handler(given)
            for hook in self.after:
                returned = _or_unchanged(hook(returned, context), returned)
        except Exception as error:
            self._handle(error, context)
            raise
        return returned

    def _handle(self, error: Exception, context: StepContext) -> None:
        for position, hook in enumerate(self.on_error):
            try:
                hook(error, context)
            except Exception as other:
                # The outer hooks get the new exception.
                Hooks(on_error=self.on_error[position + 1 :])._handle(other, context)
                raise


def _or_unchanged(returned: Any, before: Any) -> Any:
    return before if returned is None else returned


#: the hooks of a step that has none
NO_HOOKS = Hooks()
