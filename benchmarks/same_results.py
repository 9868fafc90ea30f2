"""Whether two checkouts give the same results, byte by byte: runs, their ids, verdicts of gates, laws, predictions.

    python benchmarks/same_results.py main .                 # each a folder, or a revision of this repository
    python benchmarks/same_results.py --keep kept main       # compute one side alone, and keep it
    python benchmarks/same_results.py --baseline kept .      # compare with what was kept, in half the time

Every spec below is trained by each checkout's own command line, with jobs, lanes and precision fixed and nothing
compiled; both sides read one measurement of the machine, so that they choose the same arithmetic. Runs whose ids
differ are matched by init, activation, axes and seed. About five minutes on 2 idle cores. What only a GPU or the
compiler reaches, such as the optimizer of stacked lanes, is not looked at.

Exit code 0 when all is the same, 1 when something is not (its first file and line are named), 2 when a side cannot
be run.
"""

import argparse
import json
import math
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from itertools import groupby, zip_longest
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
FILES = ("metrics.jsonl", "layers.jsonl", "summary.json")
TOGETHER = 2
"""Commands that run at a time. Sweeps of many specs have one worker each: their plans and reports have but one."""

SPECS_A_SWEEP = 20
TIMEOUT = 1800
"""Seconds of one command; the longest takes one or two minutes on an idle machine."""


@dataclass(frozen=True)
class Spec:
    """What is trained: a block of a sweep's TOML, or a command line of ``initlab sweep`` where ``flags`` is set.

    Blocks of as many lanes share a sweep, which saves their start. Each has two seeds of its own, made from its name:
    the seed says which spec a run is of, whatever else is in the sweep.
    """

    name: str
    text: str
    lanes: int = 4
    flags: bool = False

    @property
    def seeds(self) -> tuple[int, int]:
        first = 2 * zlib.crc32(self.name.encode())
        return first, first + 1

    @property
    def block(self) -> str:
        return f"[[sweep]]  # {self.name}\n{self.text}\nseed = {[*self.seeds]}\n"

    @property
    def asked(self) -> str:
        """All that both sides must have in common."""
        return f"lanes = {self.lanes}\n" + (self.text if self.flags else SHARED + self.block)


SHARED = """
[model]
n_layer = 2
n_head = 2
n_embd = 32
block_size = 16

[train]
steps = 14
batch_size = 4
lr = 3e-3
eval_interval = 7
eval_batches = 2
"""
TINY = "--n-layer 2 --n-head 2 --n-embd 32 --block-size 16 --batch-size 4 --eval-interval 7 --eval-batches 2"

SPECS = (
    # inits
    Spec("gpt", 'init = ["gpt2", "gpt2-released", "gpt2:std=0.05", "depth-scaled", "pytorch"]'),
    Spec(
        "gpt-relatives",
        'init = ["trunc-normal", "trunc-normal:cut=1", "zero-residual", "nanogpt", "note-sqrt-2-over-depth"]',
    ),
    Spec("note", 'init = ["note-proj-0.02", "note-inv-sqrt-depth", "note-inv-sqrt-width", "note-default-scaled"]'),
    Spec("classic", 'init = ["xavier", "xavier:dist=normal", "kaiming", "lecun", "orthogonal"]'),
    Spec("small", 'init = ["small-init", "neox", "spike-no-more", "bloom"]'),
    Spec("olmo", 'init = ["mitchell", "full-megatron", "olmo-llama", "olmo-llama-depth"]'),
    Spec("llama", 'init = ["torchtitan", "llama2c"]\nactivation = "swiglu"'),
    Spec("google", 'init = ["t5", "palm", "gemma"]\nactivation = "geglu-tanh"'),
    Spec("fairseq-spectral", 'init = ["fairseq", "spectral"]\nactivation = "relu2"'),
    Spec("post-norm", 'init = ["deepnorm", "deepnorm-torchscale", "admin-torch", "sub-ln"]'),
    Spec("no-norm", 'init = ["fixup", "fixup-transformer", "t-fixup", "rezero", "skipinit"]\nactivation = "relu"'),
    Spec("scales", 'init = ["layerscale", "deepscale-lm", "layernorm-scaling", "wesar"]'),
    Spec("families", 'init = ["normal:std=1,width=fan-in,depth=inv-sqrt-2l", "uniform:depth=inv-l", "truncated"]'),
    # inits that look at data, or draw several matrices together
    Spec("lsuv", 'init = "lsuv"\nactivation = ["gelu", "swiglu"]\ntied = [true, false]'),
    Spec("admin", 'init = "admin"\nactivation = ["relu", "gelu"]'),
    Spec("mimetic", 'init = ["mimetic", "mimetic:positive_vo=true"]'),
    Spec("looks-linear", 'init = "looks-linear"\nactivation = ["relu", "gelu"]'),
    # parametrisations
    Spec("mup", 'init = ["mup", "depth-mup"]\nbase_n_embd = 16\nbase_n_layer = 1'),
    Spec("mup-relatives", 'init = ["completep", "megatron-mup", "u-mup"]\nbase_n_embd = 16\nn_layer = 3'),
    # activations
    Spec("smooth", 'activation = ["gelu", "gelu-tanh", "gelu-sigmoid", "silu", "mish", "softplus"]'),
    Spec("kinked", 'activation = ["relu", "relu2", "leaky-relu", "relu6", "hard-tanh", "hard-swish"]'),
    Spec("bounded", 'activation = ["sigmoid", "hard-sigmoid", "tanh", "elu", "selu", "identity"]\ninit = "kaiming"'),
    Spec("gated", 'activation = ["glu", "swiglu", "geglu", "geglu-tanh", "reglu", "bilinear"]'),
    Spec("gated-matched", 'activation = ["swiglu", "gelu"]\nffn_matched = true\nn_embd = 48\nbias = [true, false]'),
    # networks
    Spec("norm-at", 'norm_at = ["pre", "post", "sandwich", "branch-out", "none"]'),
    Spec("norms", 'norm = ["layernorm", "rmsnorm"]\nnorm_at = ["pre", "sandwich"]\nbias = false'),
    Spec("more-norms", "embed_norm = [false, true]\nsub_norm = [false, true]"),
    Spec("qk-norm", 'qk_norm = true\nnorm = ["layernorm", "rmsnorm"]'),
    Spec("positions", 'positions = ["learned", "sinusoidal", "rotary", "relative", "none"]'),
    Spec("parallel", 'parallel = true\ninit = ["gpt2", "depth-scaled"]'),
    Spec("softcap", "softcap = [0.5, 30.0]"),
    Spec("untied", "tied = [true, false]\nbias = [true, false]"),
    Spec("depths", 'n_layer = [1, 3]\ninit = ["gpt2", "depth-scaled"]'),
    Spec("widths", 'n_embd = [16, 64]\nn_head = [1, 4]\nffn_ratio = [4.0, 1.5]\nzip = [["n_embd", "n_head"]]'),
    Spec("contexts", "block_size = [2, 80]\nvocab_size = 100\nbatch_size = 2"),
    Spec("long-context", "block_size = 1024\nbatch_size = 1\nsteps = 3\neval_batches = 1"),
    Spec("dropout", 'dropout = [0.1, 0.5]\nactivation = ["gelu", "swiglu"]'),
    Spec(
        "at-once",
        'norm = "rmsnorm"\npositions = "rotary"\nqk_norm = true\nsoftcap = 15.0\nparallel = true\ntied = false\n'
        'dropout = 0.1\nbias = false\nactivation = "swiglu"\ninit = ["gpt2", "pytorch"]',
    ),
    # training
    Spec("sgd", 'optimizer = "sgd"\nlr = [0.1, 0.5]\nbeta1 = [0.0, 0.9]\ninit = "pytorch"'),
    Spec(
        "adamw",
        "beta1 = [0.8, 0.95, 0.9]\nbeta2 = [0.95, 0.999, 0.99]\neps = [1e-6, 1e-8, 1e-3]\n"
        'weight_decay = [0.0, 0.5, 5.0]\nzip = [["beta1", "beta2", "eps", "weight_decay"]]',
    ),
    Spec("clipping", "clip = [0.0, 0.1]"),
    Spec("cosine", 'warmup = [0, 5, 5]\ndecay_steps = [10, 30, 5]\nmin_lr = 1e-3\nzip = [["warmup", "decay_steps"]]'),
    Spec("constant", 'schedule = "constant"\nwarmup = [0, 5]'),
    Spec("steps", "steps = [0, 1, 9, 25]"),
    Spec("init-only", 'steps = 0\ninit = ["gpt2", "lsuv"]\nn_layer = 4'),
    Spec("cadence", "probe_interval = [1, 4]\neval_interval = [1, 5]\neval_batches = 3"),
    Spec("diverging", 'lr = [1e-3, 30.0, 1e9, 1e30]\ninit = "pytorch"'),
    Spec("diverging-sgd", 'optimizer = "sgd"\nlr = [0.1, 1e20]\nclip = 0.0'),
    # arithmetic
    Spec("highest", 'precision = "highest"\ninit = ["gpt2", "kaiming"]'),
    Spec("bfloat16", 'precision = "bfloat16"\ninit = ["gpt2", "kaiming"]'),
    Spec("float64", 'precision = "float64"\ninit = ["gpt2", "lsuv"]'),
    # corpora
    Spec("stdlib", 'corpus = "stdlib"\ninit = ["gpt2", "depth-scaled"]'),
    Spec("text", 'corpus = "notes.txt"\ntokenizer = ["byte", "char"]'),
    Spec("data-seed", '"data.seed" = [0, 7]'),
    # every run a network of its own
    Spec("alone", 'init = ["gpt2", "pytorch", "mimetic", "lsuv"]', lanes=1),
    Spec("alone-network", 'norm_at = ["pre", "post"]\npositions = ["rotary", "relative"]\ndropout = 0.1', lanes=1),
    Spec("alone-gated", 'activation = ["swiglu", "reglu"]\ninit = "gemma"\nprobe_interval = 1', lanes=1),
    Spec("alone-mup", 'init = ["mup", "u-mup"]\nbase_n_embd = 16', lanes=1),
    Spec("alone-precision", 'precision = ["float64", "bfloat16"]\noptimizer = ["adamw", "sgd"]', lanes=1),
    Spec("alone-diverging", "lr = [1e-3, 1e30]", lanes=1),
    Spec("alone-context", "block_size = 1024\nbatch_size = 1\nsteps = 3\neval_batches = 1", lanes=1),
    # command lines
    Spec(
        "flags",
        "--init gpt2,depth-scaled:std=0.03 --activation gelu,swiglu --seeds 0,3 --no-bias --steps 12 "
        f"--set train.lr=1e-3,5e-3 --target n_embd=768,n_layer=12 {TINY}",
        lanes=2,
        flags=True,
    ),
    Spec(
        "plug-ins",
        "--plugin initlab_example/front_loaded.py:front_loaded --plugin initlab_example/sine.py:sine "
        "--plugin initlab_example/kurtosis.py:residual_kurtosis --init front-loaded,gpt2 --activation sine,gelu "
        f"--seeds 2 --steps 12 {TINY}",
        flags=True,
    ),
    Spec(
        "ci-shorter",
        "experiments/ci --seeds 3 --steps 20 --n-embd 32 --block-size 16 --eval-interval 10",
        flags=True,
    ),
)


@dataclass(frozen=True)
class Question:
    """A command that prints one JSON document, run among the inputs; ``{sweeps}`` are the sweeps trained above.

    ``needs`` is the spec whose sweep it reads; numbers may differ by ``tolerance``, relative.
    """

    name: str
    command: str
    tolerance: float = 0.0
    needs: str | None = None


LARGE = "--n-layer 12 --n-head 12 --n-embd 768 --block-size 1024"
SEEN = {
    "gpt2": LARGE,
    "depth-scaled": f"--activation swiglu {LARGE}",
    "pytorch": "--n-layer 6 --activation relu --no-bias",
    "gpt2:std=0.01": "--n-layer 3 --norm rmsnorm --positions rotary",
    "xavier": "--n-layer 4 --norm-at post --no-tied",
    "orthogonal": "--n-layer 4 --activation tanh",
    "sub-ln": "--n-layer 4 --n-embd 64",
    "mup": "--n-layer 4 --base n_embd=64",
    "rezero": "--n-layer 8",
    "gemma": "--n-layer 4 --activation geglu-tanh",
}
"""Ten inits that are explained and predicted, and their networks."""

QUESTIONS = (
    Question("gate stored", "gate results/ci-baseline experiments/ci --json"),
    Question("gate worse", "gate results/worse experiments/ci --strict --json"),
    Question("gate incomplete", "gate results/incomplete experiments/ci --json"),
    Question("gate trained", "gate {sweeps}/ci-shorter experiments/ci --json", needs="ci-shorter"),
    Question("claims trained", "claims {sweeps}/ci-shorter experiments/ci/claims.toml --json", needs="ci-shorter"),
    *(Question(f"explain {init}", f"explain {init} --json") for init in ("lsuv", "mimetic")),  # theory knows neither
    *(Question(f"explain {init}", f"explain {init} {flags} --json") for init, flags in SEEN.items()),
    *(Question(f"predict {init}", f"predict {init} {flags} --json", 1e-12) for init, flags in SEEN.items()),
)

CLAIMS = """
title = "What CI trains"

[[claim]]
id = "first-step"
text = "Adam's first step moves the scaled projection twice as far, against its size"
metric = "update_ratio_ffn_down.mean@1"
compare = { axis = "init", of = "depth-scaled", against = "gpt2" }
min = 1.9
max = 2.1

[[claim]]
id = "ranking"
text = "PyTorch's defaults train worse"
metric = "final_loss"
compare = { axis = "init", of = "pytorch", against = "gpt2" }
min = 0.3

[[claim]]
id = "growth"
text = "flat residual projections let the stream grow"
metric = "growth"
where = { init = "gpt2" }
seeds = "every"
min = 2.0
"""


class Unusable(Exception):
    """A side cannot be run, or is not what it is said to be."""


def write_inputs(folder: Path) -> None:
    """Write what both sides read besides specs: a text, example plug-ins, gates, and the stored sweep three times.

    As it is; with the losses of one activation 5% worse and a run diverged; and with a run missing.
    """
    for name in ("experiments/ci", "results/ci-baseline"):
        shutil.copytree(REPOSITORY / name, folder / name)
    shutil.copytree(REPOSITORY / "examples/initlab-example/src/initlab_example", folder / "initlab_example",
                    ignore=shutil.ignore_patterns("__pycache__"))  # fmt: skip
    (folder / "experiments/ci/claims.toml").write_text(CLAIMS)
    lines = (f"{n} green bottles, {n * n % 97} of them naïve; if one falls: {n - 1}.\n" for n in range(999, 0, -1))
    (folder / "notes.txt").write_text("".join(lines), encoding="utf-8")
    for name in ("worse", "incomplete"):
        shutil.copytree(folder / "results/ci-baseline", folder / "results" / name)
    for path in (folder / "results/worse/runs").glob("*/summary.json"):
        summary, config = read(path), read(path.with_name("config.json"))
        if config["activation"] == "relu":
            summary |= {name: 1.05 * summary[name] for name in ("train_loss", "val_loss")}
            summary |= {"diverged": config["seed"] == 2, "diverged_at": 99 if config["seed"] == 2 else None}
            write(path, summary)
    min((folder / "results/incomplete/runs").glob("*/summary.json")).unlink()


def about(checkout: Path) -> dict[str, str]:
    """Return what a side was computed with; all but the checkout and its commit is to be equal on both sides."""
    info = Path("/proc/cpuinfo")  # Linux only
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "checkout": str(checkout),
        "commit": git("describe", "--always", "--dirty", "--abbrev=12", at=checkout, check=False).strip(),
        "python": platform.python_version(),
        "torch": metadata.version("torch"),
        "cpu": models[0] if models else platform.machine(),
        "cores": str(os.cpu_count()),
    }


@dataclass(frozen=True)
class Side:
    """One checkout and its results: ``root/name``, beside the inputs and the measured machine in ``root``."""

    root: Path
    name: str
    checkout: Path

    @property
    def folder(self) -> Path:
        return self.root / self.name

    def compute(self, specs: Sequence[Spec], questions: Sequence[Question]) -> None:
        """Train every spec and ask every question. Raises Unusable where initlab is not that of the checkout."""
        for folder in ("sweeps", "specs", "answers"):
            (self.folder / folder).mkdir(parents=True)
        found = self._python("import initlab; print(initlab.__file__)")
        if not Path(found.stdout.strip() or "/").is_relative_to(self.checkout):
            raise Unusable(f"{self.checkout} holds no initlab: {found.stdout.strip() or last_line(found.stderr)}")
        write(self.folder / "about.json", about(self.checkout))
        self._initlab("doctor")  # measures the machine, where nobody has: before sweeps could at the same time
        started = time.perf_counter()
        with ThreadPoolExecutor(TOGETHER) as pool:
            list(pool.map(lambda batch: self._sweep(*batch), batches(specs)))
            self._say(f"{len(specs)} specs", started)
            list(pool.map(self._ask, questions))
            self._say(f"... and {len(questions)} questions", started)

    def spec(self, spec: Spec) -> dict[str, Any]:
        """Return what came of a spec: what was asked, its sweep's folder, its runs, and why it failed if it did."""
        return self._kept("specs", spec.name)

    def answer(self, question: Question) -> dict[str, Any]:
        return self._kept("answers", question.name)

    def _kept(self, kind: str, name: str) -> dict[str, Any]:
        path = self.folder / kind / f"{name}.json"
        if not path.exists():
            raise Unusable(f"{name} was not computed for {self.folder}; leave it out by --only, or compute it anew")
        return dict(read(path))

    def _sweep(self, name: str, specs: list[Spec]) -> None:
        """Train specs as one sweep; where that fails as a whole, each by itself."""
        started, first = time.perf_counter(), specs[0]
        if not first.flags:
            text = SHARED + "\n".join(spec.block for spec in specs)
            (self.root / "inputs" / f"{name}.toml").write_text(text, encoding="utf-8")
        asked = shlex.split(first.text) if first.flags else [f"{name}.toml"]
        fixed = f"--lanes {first.lanes} --jobs {2 if first.flags else 1} --compile off --device cpu --json"
        done = self._initlab("sweep", *asked, "-o", str(self.folder / "sweeps" / name), *fixed.split())
        try:
            runs, failure = json.loads(done.stdout)["runs"], None
        except (ValueError, KeyError):
            runs, failure = [], f"exit code {done.returncode}: {last_line(done.stderr)}"
        if failure and len(specs) > 1:
            self._say(f"{name}: {failure}; its specs by themselves", started)
            for spec in specs:
                self._sweep(f"{name}-{spec.name}", [spec])
            return
        for spec in specs:
            mine = [run for run in runs if spec.flags or run["seed"] in spec.seeds]
            record = {"asked": spec.asked, "sweep": f"sweeps/{name}", "failure": failure, "runs": mine}
            write(self.folder / "specs" / f"{spec.name}.json", record)
        self._say(f"{name}, {len(runs)} runs", started)

    def _ask(self, question: Question) -> None:
        sweeps = os.path.relpath(self.folder / "sweeps", self.root / "inputs")
        done = self._initlab(*shlex.split(question.command.format(sweeps=sweeps)))
        try:
            document = json.loads(done.stdout)
        except ValueError:
            document = None
        record = {"command": question.command, "code": done.returncode, "document": document,
                  "failure": last_line(done.stderr) if document is None else None}  # fmt: skip
        write(self.folder / "answers" / f"{question.name}.json", record)

    def _initlab(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return self._python("from initlab.cli.main import run; run()", *arguments)

    def _python(self, code: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run code of the checkout among the inputs; -P keeps the folder it runs in off the path."""
        ours = {"PYTHONPATH": str(self.checkout), "XDG_CACHE_HOME": str(self.root / "cache"), "CI": "1"}
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("INITLAB_", "GITHUB_"))}
        command = [sys.executable, "-P", "-W", "ignore", "-c", code, *arguments]
        try:
            return subprocess.run(command, cwd=self.root / "inputs", env={**kept, **ours}, capture_output=True,
                                  text=True, timeout=TIMEOUT, check=False)  # fmt: skip
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(command, 124, "", f"took more than {TIMEOUT} s")

    def _say(self, text: str, started: float) -> None:
        print(f"{self.name}: {text}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)


def batches(specs: Sequence[Spec]) -> Iterator[tuple[str, list[Spec]]]:
    """Yield what is one sweep, by name, the longest first."""
    blocks = sorted((spec for spec in specs if not spec.flags), key=lambda spec: -spec.lanes)
    for lanes, group in groupby(blocks, key=lambda spec: spec.lanes):
        members = [*group]
        for start in range(0, len(members), SPECS_A_SWEEP):
            yield f"lanes-{lanes}-{start // SPECS_A_SWEEP}", members[start : start + SPECS_A_SWEEP]
    yield from ((spec.name, [spec]) for spec in specs if spec.flags)


def last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no message"])[-1]


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def write(path: Path, document: Any) -> None:
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


@dataclass
class Row:
    """What two sides' runs of one spec came to: counts of what differs, and where it first does."""

    runs: int = 0
    unmatched: int = 0
    mapped: list[tuple[str, str]] = field(default_factory=list)
    differing: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FILES, 0))
    differences: list[str] = field(default_factory=list)

    @property
    def words(self) -> list[str]:
        counts = {"mapped": len(self.mapped), "unmatched": self.unmatched}
        ids = [f"{number} {word}" for word, number in counts.items() if number]
        files = [f"{number} differ" if number else "same" for number in self.differing.values()]
        return [str(self.runs), ", ".join(ids) or "same", *(files if self.runs else ["-"] * len(FILES))]

    @property
    def same(self) -> bool:
        return not (self.mapped or self.differences)


def compare_spec(spec: Spec, before: Side, after: Side) -> Row:
    """Match two sides' runs of a spec and compare their files."""
    row, sides = Row(), (before, after)
    records = [side.spec(spec) for side in sides]
    if records[0]["asked"] != spec.asked:
        raise Unusable(f"{before.folder} ran another spec by the name of {spec.name}; compute it anew")
    failures = [f"{side.name} failed: {r['failure']}" for side, r in zip(sides, records, strict=True) if r["failure"]]
    pairs, unmatched = match(*(record["runs"] for record in records))
    row.runs, row.unmatched, row.differences = len(pairs), len(unmatched), failures
    row.differences += [f"{run['id']} ({label(run)}) has no counterpart" for run in unmatched] if not failures else []
    for pair in pairs:
        ids = pair[0]["id"], pair[1]["id"]
        row.mapped += [ids] if ids[0] != ids[1] else []
        folders = [side.folder / record["sweep"] / "runs" / run["id"]
                   for side, record, run in zip(sides, records, pair, strict=True)]  # fmt: skip
        for name in FILES:
            if found := first_difference(folders[0] / name, folders[1] / name, ids):
                row.differing[name] += 1
                place = (folders[1] / name).relative_to(after.root)
                row.differences.append(f"{place}, {found} ({label(pair[0])}{computed_otherwise(*folders)})")
    return row


def match(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> tuple[list[tuple[Any, Any]], list[Any]]:
    """Return the pairs of runs that are one, by what was asked for or else by id, and the runs without another."""
    pairs, left = [], {key_of(run, after): run for run in after}
    alone = []
    for run in before:
        other = left.pop(key_of(run, before), None)
        if other is None:
            alone.append(run)
        else:
            pairs.append((run, other))
    by_id = {run["id"]: run for run in left.values()}
    renamed = [(run, by_id.pop(run["id"])) for run in alone if run["id"] in by_id]
    found = [run for run, _ in renamed]
    return pairs + renamed, [run for run in alone if run not in found] + [*by_id.values()]


def key_of(run: dict[str, Any], all_runs: list[dict[str, Any]]) -> str:
    """Return equal text for a run before and after: init, activation, seed, and the axes that vary in its spec.

    What varies in the whole sweep depends on what else is swept.
    """
    axes = [other["axes"] for other in all_runs]
    varying = {name: value for name, value in run["axes"].items() if any(one.get(name) != value for one in axes)}
    return json.dumps([run["init"], run["activation"], run["seed"], varying], sort_keys=True)


def label(run: dict[str, Any]) -> str:
    return f"{run['init']} · {run['activation']} · seed {run['seed']}"


def first_difference(before: Path, after: Path, ids: tuple[str, str]) -> str | None:
    """Return the line and both texts where two files first differ; an id that was mapped is no difference."""
    there = [path.exists() for path in (before, after)]
    if not all(there):
        return "which neither side has" if not any(there) else f"which is missing {'after' if there[0] else 'before'}"
    old, new = before.read_bytes().replace(ids[0].encode(), ids[1].encode()), after.read_bytes()
    if old == new:
        return None
    for number, (a, b) in enumerate(zip_longest(old.splitlines(True), new.splitlines(True), fillvalue=b""), start=1):
        if a != b:
            at = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
            start = max(0, at - 30)
            texts = [repr(line[start : at + 30].decode(errors="replace")) for line in (a, b)]
            return f"line {number}, column {at + 1}: {texts[0]} before, {texts[1]} after"
    return None


def computed_otherwise(before: Path, after: Path) -> str:
    """Say how, where a run was not computed as before: with other products, lanes or attention."""
    paths = [path / "env.json" for path in (before, after)]
    found = [read(path).get("execution") if path.exists() else None for path in paths]
    return "" if found[0] == found[1] else f"; computed as {found[0]} before, as {found[1]} after"


def compare_answer(question: Question, before: Side, after: Side) -> str | None:
    """Return where two answers first differ, None where they do not."""
    old, new = before.answer(question), after.answer(question)
    if old["command"] != question.command:
        raise Unusable(f"{before.folder} was asked something else by the name of {question.name}; compute it anew")
    for side, answer in ((before, old), (after, new)):
        if answer["failure"]:
            return f"{side.name} failed: exit code {answer['code']}: {answer['failure']}"
    names = ("code", "document")
    return unlike({name: old[name] for name in names}, {name: new[name] for name in names}, question.tolerance)


def unlike(before: Any, after: Any, tolerance: float, path: str = "") -> str | None:
    """Return where two JSON values first differ, None where they do not."""
    if isinstance(before, dict) and isinstance(after, dict) and before.keys() == after.keys():
        inner: Iterable[tuple[str, Any, Any]] = ((f"{path}.{name}", before[name], after[name]) for name in before)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        inner = ((f"{path}[{n}]", a, b) for n, (a, b) in enumerate(zip(before, after, strict=True)))
    else:
        numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (before, after))
        same = math.isclose(before, after, rel_tol=tolerance) if numbers else before == after
        return None if same else f"{path.lstrip('.')}: {str(before)[:200]} before, {str(after)[:200]} after"
    return next((found for name, a, b in inner if (found := unlike(a, b, tolerance, name))), None)


def git(*arguments: str, at: Path = REPOSITORY, check: bool = True) -> str:
    done = subprocess.run(["git", *arguments], cwd=at, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise Unusable(f"git {shlex.join(arguments)}: {last_line(done.stderr)}")
    return done.stdout


@contextmanager
def checked_out(text: str) -> Iterator[Path]:
    """Yield the folder of a checkout: the one named, or a worktree of a revision while it is needed."""
    if Path(text).is_dir():
        yield Path(text).resolve()
        return
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch).resolve() / "tree"
        if not git("rev-parse", "--verify", "--quiet", f"{text}^{{commit}}", check=False):
            raise Unusable(f"{text} is neither a folder nor a revision of {REPOSITORY}")
        git("worktree", "add", "--quiet", "--detach", str(tree), text)
        try:
            yield tree
        finally:
            git("worktree", "remove", "--force", str(tree))


def chosen(only: str | None) -> tuple[list[Spec], list[Question]]:
    """Return the specs and questions of these names, and the specs that the questions need."""
    if only is None:
        return [*SPECS], [*QUESTIONS]
    names = {name.strip() for name in only.split(",")}
    questions = [question for question in QUESTIONS if {question.name, question.name.split()[0]} & names]
    wanted = names | {question.needs for question in questions if question.needs}
    specs = [spec for spec in SPECS if spec.name in wanted]
    known = {spec.name for spec in SPECS} | {word for q in QUESTIONS for word in (q.name, q.name.split()[0])}
    if names - known:
        raise Unusable(f"nothing is named {', '.join(sorted(names - known))}; there are {', '.join(sorted(known))}")
    return specs, questions


def warn_of_machines(before: Side, after: Side) -> None:
    """Say what else differs between two sides: the same code rounds otherwise with another torch or processor."""
    old, new = (read(side.folder / "about.json") for side in (before, after))
    for name in sorted({*old} - {"checkout", "commit"}):
        if old[name] != new.get(name):
            print(f"warning: {name} is {new.get(name)}, but {old[name]} before: bytes may differ", file=sys.stderr)


def report(specs: list[Spec], questions: list[Question], before: Side, after: Side) -> bool:
    """Print what is the same and what is not, a line a spec and a question, and return whether all is."""
    commits = [read(side.folder / "about.json") for side in (before, after)]
    print(" against ".join(f"{one['checkout']} ({one['commit'] or 'no commit'})" for one in commits), end="\n\n")
    rows = {spec.name: compare_spec(spec, before, after) for spec in specs}
    table = [["spec", "runs", "ids", *(name.partition(".")[0] for name in FILES)]]
    print_table(table + [[name, *row.words] for name, row in rows.items()])
    answers = {question.name: compare_answer(question, before, after) for question in questions}
    words = [[name, "differs" if found else "same"] for name, found in answers.items()]
    print_table([["question", "answer"], *words])
    for name, row in rows.items():
        print(*(f"{name}: {old} -> {new}\n" for old, new in row.mapped), sep="", end="")
    differences = [f"{name}: {row.differences[0]}" for name, row in rows.items() if row.differences]
    differences += [f"{name}: {found}" for name, found in answers.items() if found]
    print(*differences, sep="\n", end="\n" if differences else "")
    same = all(row.same for row in rows.values()) and not any(answers.values())
    runs = sum(row.runs for row in rows.values())
    print(f"{'SAME' if same else 'DIFFERENT'}: {runs} runs of {len(specs)} specs, {len(questions)} answers")
    return same


def print_table(table: list[list[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table if len(table) > 1 else ():
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
    print()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("checkouts", nargs="+", metavar="CHECKOUT", help="folders, or revisions of this repository")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="a new folder for inputs and results, which stays")
    parser.add_argument("--only", metavar="NAME", help="specs and questions, with commas between them")
    parser.add_argument("--baseline", type=Path, metavar="DIR", help="a kept folder: its first side is not run again")
    options = parser.parse_args()
    sides = len(options.checkouts) + (options.baseline is not None)
    if sides > 2 or (sides == 1 and options.keep is None):
        parser.error("compare two checkouts, or one with --baseline DIR; compute one alone with --keep DIR")
    if options.keep is not None and options.keep.exists() and any(options.keep.iterdir()):
        parser.error(f"{options.keep} is not empty: what is in it would be taken for results of this checkout")
    return options


def prepare(root: Path, baseline: Path | None) -> None:
    """Fill a new folder with inputs and the measured machine: the baseline's, which both sides are to share."""
    root.mkdir(parents=True, exist_ok=True)
    if baseline is None:
        write_inputs(root / "inputs")
        (root / "cache").mkdir()
    elif not (baseline / "before" / "about.json").exists():
        raise Unusable(f"{baseline} was not made by --keep")
    else:
        for name in ("inputs", "cache"):
            shutil.copytree(baseline / name, root / name)


def compare(options: argparse.Namespace) -> bool:
    """Compute the sides that are not kept already, and compare them where there are two."""
    specs, questions = chosen(options.only)
    with ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory())
        root = (options.keep or Path(scratch)).resolve()
        prepare(root, options.baseline)
        names = ("before", "after") if options.baseline is None else ("after",)
        sides = [
            Side(root, name, stack.enter_context(checked_out(text)))
            for name, text in zip(names, options.checkouts, strict=False)
        ]
        for side in sides:
            side.compute(specs, questions)
        if options.baseline is not None:
            sides.insert(0, Side(options.baseline.resolve(), "before", Path()))
        if len(sides) == 1:
            return True
        warn_of_machines(*sides)
        return report(specs, questions, *sides)


def main() -> int:
    options = arguments()
    try:
        return 0 if compare(options) else 1
    except (Unusable, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
