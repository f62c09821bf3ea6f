"""Deletes an ended session's kernel."""

from __future__ import annotations

from orchestrator.backends.kaggle.client.api import KaggleApi
from orchestrator.backends.kaggle.client.errors import ServiceFault
from orchestrator.backends.kaggle.session.cancellation import page_of
from orchestrator.core.errors import BadInput
from orchestrator.core.session.backend_types import Handle


def delete_kernel(api: KaggleApi, handle: Handle) -> None:
    """Delete a kernel with its outputs.

    Raises:
        BadInput: Kaggle refuses it.
        ServiceFault: Kaggle did not answer.
    """
    try:
        api.delete_kernel(handle.owner, handle.slug)
    except ServiceFault as fault:
        if fault.status in (400, 403):
            raise BadInput(
                f"Kaggle refused to delete {handle.slug}: {fault.message or fault}",
                remedy=f"Delete it on {page_of(handle)}.",
            ) from fault
        raise
