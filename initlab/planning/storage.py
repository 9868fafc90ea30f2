"""Stores a plan in its sweep's folder, before anything is trained."""

import time
from typing import TYPE_CHECKING

from initlab.errors import InitlabError
from initlab.files.atomic import write_bytes
from initlab.files.limits import DOCUMENT_BYTES
from initlab.files.system_errors import explain_os_error
from initlab.files.untrusted import read_untrusted
from initlab.machine.environment import git_sha
from initlab.predictions.records import store_predictions
from initlab.probes.reductions import plugin_probes
from initlab.spec.sweep import to_toml

if TYPE_CHECKING:
    from initlab.planning.plan import Plan


def write_plan(plan: "Plan") -> None:
    """Store the spec as given and as expanded, the law table of every init at every size, how runs are computed, what
    theory expects of each network, and the claims that stand beside the spec.

    Where nothing is missing, how runs are computed stays as it was stored. Raises InitlabError when the folder
    cannot be written.
    """
    laws = {run.blueprint.digest: run.blueprint for run in plan.runs}
    plan.folder.write_plan(
        spec_text=to_toml(plan.spec),
        resolved={
            "runs": {run.id: run.spec.model_dump() for run in plan.runs},
            "laws": {digest: blueprint.to_json() for digest, blueprint in laws.items()},
            "execution": plan.execution.to_json() if plan.execution else plan.earlier.execution,
        },
        sweep={
            "name": plan.name,
            "question": plan.spec.question,
            "created_at": plan.earlier.created_at or time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "git_sha": git_sha(),
            "plugin_probes": {**plan.earlier.plugin_probes, **plugin_probes()},
            "predictions": plan.predictions.keys,
            "target": dict(plan.target),
            "outlooks": [row.to_json() for row in plan.scale_ups],
        },
        entries=[run.entry for run in plan.runs],
    )
    try:
        store_predictions(plan.folder.path, plan.predictions.requests)
        _keep_claims(plan)
    except OSError as error:
        raise InitlabError(f"cannot write to {plan.folder.path}: {explain_os_error(error)}") from error


def _keep_claims(plan: "Plan") -> None:
    """Copy the claims that stand beside the spec into the sweep's folder, where its report finds them."""
    beside = plan.spec.path.parent / "claims.toml" if plan.spec.path else None
    if beside is not None and beside.is_file():
        content = read_untrusted(beside, "claims file", DOCUMENT_BYTES, below=beside.parent)
        write_bytes(plan.folder.path / "claims.toml", content)
