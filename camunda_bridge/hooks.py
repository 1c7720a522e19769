"""What authors run around their handlers: before, after and on error, for one step or for every step of a process.

    def audit(given, context):
        log.info("%s begins", context.step)

    process = define_process("onboard-user", before=[audit])

The hooks of the process surround those of the step: the process's `before` runs first, its `after` last. Hooks run
inside of the step's time limit. They run in the testing kit too.
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

    `before` is called with the input of the handler, once that has passed its schema; `after` with what the handler
    returned, before that is checked. What they return takes the place of the input or the output, unless it is None.
    `on_error` is called with an exception of the handler or of another hook; it may raise another in its place, for
    example a :class:`BusinessRuleError`, and what it returns is ignored.
    """

    before: tuple[Before, ...] = ()
    after: tuple[After, ...] = ()
    on_error: tuple[OnError, ...] = ()

    @classmethod
    def of(cls, before: Iterable[Before], after: Iterable[After], on_error: Iterable[OnError]) -> Hooks:
        """From what a definition was given."""
        return cls(tuple(before), tuple(after), tuple(on_error))

    def within(self, outer: Hooks) -> Hooks:
        """These hooks, surrounded by those of `outer`."""
        return Hooks(outer.before + self.before, self.after + outer.after, self.on_error + outer.on_error)

    def __iter__(self) -> Any:
        return iter((*self.before, *self.after, *self.on_error))

    def run(self, handler: Callable[[Any], Any], given: Any, context: StepContext) -> Any:
        """What the handler returns for `given`, with the hooks run around it.

        Raises:
            Exception: what the handler or a hook raised, or what `on_error` raised in its place.
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
                # Hooks further out see the exception that took its place.
                Hooks(on_error=self.on_error[position + 1 :])._handle(other, context)
                raise


def _or_unchanged(returned: Any, before: Any) -> Any:
    return before if returned is None else returned


#: of a step without hooks
NO_HOOKS = Hooks()
