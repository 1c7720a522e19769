"""Two executable processes in the pools of one file, which is not encoded in UTF-8."""

from __future__ import annotations

from typing import Any

from camunda_bridge import StepContext, define_process

buyer = define_process("pool-buyer", bpmn="pools.bpmn")
seller = define_process("pool-seller", bpmn="pools.bpmn")


@buyer.step("order", outcome="ok")
def order(given: dict[str, Any], context: StepContext) -> dict[str, str]:
    """Answer with the id of the element, which has an umlaut."""
    return {"element": context.element_id}


@seller.step("deliver", outcome="ok")
def deliver(given: dict[str, Any], context: StepContext) -> dict[str, str]:
    """Answer with the key of the process."""
    return {"process": context.process_key}
