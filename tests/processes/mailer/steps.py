"""A worker: any process may have tasks of its topic."""

from __future__ import annotations

from camunda_bridge import StepContext, define_worker

worker = define_worker("mailer")


@worker.step("send-mail")
def send_mail(address: str, context: StepContext) -> dict[str, str]:
    """Say where the mail went, and for which element of which process."""
    return {"mailed": f"{address} for {context.process_key}.{context.element_id}"}
