"""The bridge between the workers and the engine; process packages import from this module only."""

from camunda_bridge.context import StepContext
from camunda_bridge.definition import define_process, define_worker
from camunda_bridge.errors import BusinessRuleError, PartnerError, VariableError
from camunda_bridge.partner import PartnerClient
from camunda_bridge.retry import ExponentialBackoff, NoRetry, RetryStrategy
from camunda_bridge.variables import File, Raw, Values

__all__ = [
    "BusinessRuleError",
    "ExponentialBackoff",
    "File",
    "NoRetry",
    "PartnerClient",
    "PartnerError",
    "Raw",
    "RetryStrategy",
    "StepContext",
    "Values",
    "VariableError",
    "define_process",
    "define_worker",
]
