"""Whether the process that trains has what the one that planned had: probes, plug-in code, corpus and laws.

A run's id was made from what the planning process saw. A worker that sees something else (another version, another
package, an environment variable that an init reads) would store other numbers under that id. It refuses instead, and
says which of the two has what.
"""

from pathlib import Path
from typing import Any

from initlab.data.corpora import load_corpus
from initlab.data.corpus import Corpus
from initlab.errors import InitlabError
from initlab.inits.catalogue import blueprint_for
from initlab.inits.fingerprint import plugin_code
from initlab.launchers.task import Task, TaskProbe, TaskRun
from initlab.probes.reductions import PROBES, Probe
from initlab.results.folder import SweepFolder
from initlab.spec.run import RunSpec


def agreed_probes(planned: tuple[TaskProbe, ...]) -> dict[str, Probe]:
    """Return this process's probes that a task names, and no other; raises InitlabError where one is not the same."""
    return {probe.name: _agreed_probe(probe) for probe in planned}


def _agreed_probe(planned: TaskProbe) -> Probe:
    name = planned.name
    if name not in PROBES:
        raise InitlabError(
            f"the plan measures the probe {name!r} ({_code(planned.code)}), which this worker does not have"
        )
    own = PROBES.get(name)
    if own.tap != planned.tap:
        raise InitlabError(f"the probe {name!r} is at tap {planned.tap!r} in the plan, on this worker at {own.tap!r}")
    if (code := PROBES.fingerprint(name)) != planned.code:
        raise InitlabError(f"the probe {name!r} is {_code(planned.code)} in the plan, on this worker {_code(code)}")
    return own


def agreed_corpus(run: TaskRun, spec: RunSpec) -> Corpus:
    """Return the corpus that a run reads; raises InitlabError where its content is not what was planned with."""
    corpus = load_corpus(run.corpus, spec.data.tokenizer)
    if corpus.sha256 != run.corpus_sha256:
        raise InitlabError(
            f"the corpus {run.corpus} changed after the sweep was planned, or is another one on this worker: "
            f"sha256 {run.corpus_sha256[:12]} in the plan, {corpus.sha256[:12]} on this worker"
        )
    return corpus


def check_code(run: TaskRun, spec: RunSpec) -> None:
    """Raise InitlabError unless the plug-ins that a run is made of have the code that it was planned with."""
    own = plugin_code(spec)
    if own != run.code:
        raise InitlabError(
            f"the code of a plug-in changed after the sweep was planned, or is another one on this worker: "
            f"{_codes(run.code)} in the plan, {_codes(own)} on this worker"
        )


def check_laws(task: Task, run: TaskRun, spec: RunSpec, corpus: Corpus) -> None:
    """Raise InitlabError, naming the first law that differs, unless this process gives a run the laws of its plan."""
    own = blueprint_for(spec.model, spec.init, spec.activation, corpus.vocab_size)
    if own.digest == run.laws:
        return
    planned = SweepFolder(Path(task.folder)).resolved().get("laws", {}).get(run.laws)
    difference = f": {_first_difference(planned, own.to_json())}" if planned else ""
    raise InitlabError(
        f"init {spec.init!r} has other laws on this worker than in the plan (digest {run.laws} in the plan, "
        f"{own.digest} on this worker){difference}"
    )


def _first_difference(planned: dict[str, Any], own: dict[str, Any]) -> str:
    """Name the first entry of two law tables that differs, with both values."""
    left, right = _flat(planned), _flat(own)
    key = next((key for key in {**left, **right} if left.get(key) != right.get(key)), None)
    if key is None:
        return "no entry of their tables"
    return f"{key} is {left.get(key, 'absent')} in the plan, {right.get(key, 'absent')} on this worker"


def _flat(table: dict[str, Any]) -> dict[str, Any]:
    """Return a law table's entries by path: ``lm_head.weight std``."""
    slots = {f"{name} {key}": value for name, law in table["slots"].items() for key, value in law.items()}
    return {**table["topology"], **slots, "hook": table["hook"]}


def _code(code: str | None) -> str:
    return "built in" if code is None else f"plug-in code {code}"


def _codes(codes: tuple[str, ...]) -> str:
    return ", ".join(codes) or "no plug-in"
