"""The files that bad inputs are made of, and the table of them: what is typed, what is said, how it ends."""

import os
import pickle
from dataclasses import dataclass
from pathlib import Path

ESC = "\x1b[2J"
TEXT = "To be, or not to be, that is the question. " * 200
NESTED = "[" * 200_000
LARGE = "9" * 5_000
CLAIM = '[[claim]]\nid = "a"\nmetric = "final_loss"\n'
GATE = '[[gate]]\nid = "a"\nmetric = "final_loss"\n'
AXIS = ", ".join(str(number) for number in range(1, 200))

SPECS = {
    "empty_name": 'name = ""\n',
    "long_name": f'name = "{"n" * 300}"\n',
    "slash_name": 'name = "../x"\n',
    "esc_name": 'name = "a\\u001b[2J"\n',
    "list_question": "question = [1]\n",
    "top": "[modle]\n",
    "axis_on_top": 'init = "gpt2"\n',
    "no_field": "[model]\nn_layers = 3\n",
    "list_field": "[model]\nn_layer = [3]\n",
    "no_table": "model = 3\n",
    "no_sweep": "sweep = 3\n",
    "empty_axis": "[sweep]\nseed = []\n",
    "zip_text": '[sweep]\nzip = "seed"\n',
    "zip_unknown": '[sweep]\nzip = [["seed"]]\n',
    "zip_uneven": '[sweep]\nseed = [1, 2]\n"model.n_layer" = [1]\nzip = [["seed", "model.n_layer"]]\n',
    "zip_twice": '[sweep]\nseed = [1, 2]\nzip = [["seed"], ["seed"]]\n',
    "nan": "[train]\nlr = nan\n",
    "inf": "[train]\nclip = inf\n",
    "text_number": '[train]\nlr = "fast"\n',
    "true_number": "[model]\nn_layer = true\n",
    "float_number": "[model]\nn_layer = 2.0\n",
    "nested": f"x = {NESTED}",
    "nested_tables": "[" + ".".join(["a"] * 200_000) + "]\n",
    "nested_quoted": ".".join(["'a'"] * 50) + " = 1\n",
    "digits": f"[model]\nn_layer = {LARGE}\n",
    "hex": f"[model]\nn_layer = 0x{'f' * 5_000}\n",
    "grid": f"[sweep]\nseed = [{AXIS}]\n'model.n_layer' = [{AXIS}]\n'train.warmup' = [{AXIS}]\n",
    "grids": "[[sweep]]\n" * 90_000 + "zip = 3\n",
    "keys": "\n".join(f"k{number} = 1" for number in range(50_000)),
    "megabyte": "#" * 1_000_001,
    "etc": '[data]\ncorpus = "/etc/passwd"\n',
    "dots": '[data]\ncorpus = "../outside/secret.txt"\n',
    "link": '[data]\ncorpus = "leaving.txt"\n',
    "no_corpus": '[data]\ncorpus = ""\n',
    "nul_corpus": '[data]\ncorpus = "a\\u0000b"\n',
    "esc_question": f'question = "{"a" * 10}\\u001b[2J"\n[sweep]\nseed = []\n',
    "not_toml": "name = \n",
    "twice": "[model]\nn_layer = 1\nn_layer = 2\n",
}
STATEMENTS = {
    "claim_nan": f"{CLAIM}max = nan\n",
    "claim_inf": f"{CLAIM}max = inf\n",
    "claim_both": f"{CLAIM}min = 2\nmax = 1\n",
    "claim_none": CLAIM,
    "claim_self": f'{CLAIM}max = 1\ncompare = {{ axis = "init", of = "gpt2", against = "gpt2" }}\n',
    "claim_metric": '[[claim]]\nid = "a"\nmetric = "final_los"\nmax = 1\n',
    "claim_id": '[[claim]]\nid = ""\nmetric = "final_loss"\nmax = 1\n',
    "claim_ids": f"{CLAIM}max = 1\n" * 2,
    "claim_empty": "",
    "claim_where": f"{CLAIM}max = 1\nwhere = {{ n_layr = 3 }}\n",
    "claim_slope": f'{CLAIM}max = 1\nreduce = "slope"\n',
    "claim_between": '[[claim]]\nid = "a"\n[[claim.law]]\ninit = "gpt2"\nroles = ["query"]\nbetween = [nan, 1]\n',
    "claim_law": '[[claim]]\nid = "a"\n[[claim.law]]\ninit = "gpt2"\nroles = ["query"]\n',
    "claim_default": '[[claim]]\nid = "a"\n[claim.default]\nfield = "train.lrr"\nequals = 1\n',
    "claim_model": '[[claim]]\nid = "a"\n[[claim.law]]\ninit = "gpt2"\nroles = ["query"]\nequals = 1\n'
    "model = { n_layer = 100000 }\n",
    "gate_nan": f"{GATE}min = nan\n",
    "gate_inf": f"{GATE}max = -inf\n",
    "gate_nothing": "",
    "gate_confidence": f"confidence = 1.5\n{GATE}max = 1\n",
    "gate_alarm": f"false_alarm = nan\n{GATE}max = 1\n",
    "gate_share": f'{GATE}max_regression = "much"\n',
    "gate_baseline": f'baseline = "../outside"\n{GATE}max_regression = "1%"\n',
    "gate_no_baseline": f'{GATE}max_regression = "1%"\n',
    "gate_many": f"{GATE}max = 1\n" * 10_000,
}


def plant(folder: Path) -> None:
    """Write every file that the table names into a folder, which commands are then given in."""
    (folder / "outside").mkdir()
    (folder / "outside" / "secret.txt").write_text(TEXT)
    inside = folder / "work"
    for name in ("corpus", "linked", "bins", "half", "folder", "folder.st"):
        (inside / name).mkdir(parents=True)
    for name, text in {**SPECS, **STATEMENTS}.items():
        (inside / f"{name}.toml").write_text(text)
    (inside / "latin.toml").write_bytes(b'name = "\xe9"\n')
    (inside / "leaving.txt").symlink_to("../outside/secret.txt")
    (inside / "text.txt").write_text(TEXT)
    (inside / "empty.txt").touch()
    (inside / "latin.txt").write_bytes(b"\xe9" * 1000)
    (inside / "linked" / "p.txt").symlink_to("../../outside/secret.txt")
    (inside / "linked" / "sweep.toml").symlink_to("../../outside/secret.txt")
    (inside / "linked" / "gates.toml").symlink_to("../../outside/secret.txt")
    (inside / "half" / "train.bin").write_bytes(b"\0\0" * 1000)
    os.mkfifo(inside / "fifo")
    (inside / "zero").symlink_to("/dev/zero")
    _plant_bins(inside)
    for name, code in PLUGINS.items():
        (inside / f"{name}.py").write_text(code)


PLUGINS = {
    "exits": "import os\nos._exit(7)\n",
    "interrupts": "raise KeyboardInterrupt\n",
    "leaves": "import sys\nsys.exit(0)\n",
    "raises": f"raise ValueError({ESC!r})\n",
    "unparsed": "def\n",
    "nothing": "x = 1\n",
}


def _plant_bins(inside: Path) -> None:
    """Write nanoGPT folders: a vocabulary without end, one that runs code, a memo with gaps, odd bytes."""
    metas = {
        "bins_1e9": pickle.dumps({"vocab_size": 10**9}),
        "bins_1e30": pickle.dumps({"vocab_size": 10**30}),
        "bins_minus": pickle.dumps({"vocab_size": -1}),
        "bins_digits": b"(dVvocab_size\nI" + b"9" * 5000 + b"\ns.",
        "bins_code": b"cos\nsystem\n(S'touch ran'\ntR.",
        "bins_memo": b"\x80\x04}r\xff\xff\xff\x7f.",
        "bins_cut": b"\x80\x04\x95",
        "bins_list": pickle.dumps([1]),
        "bins_small": pickle.dumps({"vocab_size": 2}),
    }
    for name, meta in metas.items():
        (inside / name).mkdir()
        (inside / name / "meta.pkl").write_bytes(meta)
        for part in ("train.bin", "val.bin"):
            (inside / name / part).write_bytes(b"\1\0\5\0" * 500)
    for part in ("train.bin", "val.bin"):
        (inside / "bins" / part).write_bytes(b"\1\0\5")


@dataclass(frozen=True)
class Bad:
    """What is typed after ``initlab``, a part of what is said, and the exit code."""

    arguments: tuple[str, ...]
    message: str
    code: int = 2


def bad(typed: str, message: str, code: int = 2) -> Bad:
    """Return a row; ``typed`` is split at spaces, ``∅`` is an empty argument."""
    return Bad(tuple("" if word == "∅" else word for word in typed.split(" ")), message, code)


DRY = "sweep --dry-run --init gpt2"
BOUND = "expected a number up to"
RAISES = "INITLAB_MAX_RUNS raises the limit"
PLAIN = "is a plain file"

_SPEC_ROWS = [
    ("empty_name", "line 1: name: '' cannot name a folder"),
    ("long_name", "is too long to name a folder"),
    ("slash_name", "'../x' cannot name a folder"),
    ("esc_name", r"'a\x1b[2J' cannot name a folder"),
    ("list_question", "line 1: question: expected text, got [1]"),
    ("top", "unknown key; did you mean 'model'?"),
    ("axis_on_top", "it is an axis: put it under [sweep]"),
    ("no_field", "line 2: model.n_layers: [model] has no field 'n_layers'; did you mean 'n_layer'?"),
    ("list_field", "a list is an axis"),
    ("no_table", "expected a table, got 3"),
    ("no_sweep", "expected a table of axes, got 3"),
    ("empty_axis", "expected at least one value of an axis"),
    ("zip_text", "expected lists of axes"),
    ("zip_unknown", "'seed' is no axis of this table"),
    ("zip_uneven", "equally many values"),
    ("zip_twice", "'seed' moves with others twice"),
    ("nan", "line 2: train.lr: expected a finite number, got nan"),
    ("inf", "line 2: train.clip: expected a finite number, got inf"),
    ("text_number", "expected a number, got 'fast'"),
    ("true_number", "expected a whole number, got True"),
    ("float_number", "expected a whole number, got 2.0"),
    ("nested", "nested too deeply"),
    ("nested_tables", "a key of more than 32 parts"),
    ("nested_quoted", "a key of more than 32 parts"),
    ("digits", "not TOML that can be read: Exceeds the limit"),
    ("hex", "a whole number of 20,000 bits is no number of 64 bits"),
    ("grid", f"7,880,599 runs are more than the 100,000 that are allowed; {RAISES}"),
    ("grids", "expected lists of axes"),
    ("keys", "unknown key"),
    ("megabyte", "1,000,001 bytes are more than the 1,000,000 that are allowed"),
    ("etc", "name it on the command line: --corpus /etc/passwd"),
    ("dots", "a spec file reads texts in its own folder"),
    ("link", "a spec file reads texts in its own folder"),
    ("no_corpus", "corpus '': the name is empty"),
    ("nul_corpus", "no path holds the character NUL"),
    ("esc_question", "expected at least one value"),
    ("not_toml", "not TOML: Invalid value (at line 1"),
    ("twice", "not TOML: Cannot overwrite a value"),
    ("latin", "cannot be read as text"),
]
_STATEMENT_ROWS = [
    ("claim_nan", "line 4: claim.0.max: expected a finite number, got nan"),
    ("claim_inf", "line 4: claim.0.max: expected a finite number, got inf"),
    ("claim_both", "min = 2 is above max = 1"),
    ("claim_none", "expected min or max"),
    ("claim_self", "against is 'gpt2', as of is: a value always equals itself"),
    ("claim_metric", "did you mean 'final_loss'?"),
    ("claim_id", "claim.0.id"),
    ("claim_ids", "id 'a' is used twice"),
    ("claim_empty", "'claim' is missing"),
    ("claim_where", "n_layr"),
    ("claim_slope", "over and reduce go together"),
    ("claim_between", "expected a finite number, got nan"),
    ("claim_law", "expected one of equals, between, same_as, exists"),
    ("claim_default", "did you mean 'lr'?"),
    ("claim_model", "n_layer"),
    ("gate_nan", "line 4: gate.0.min: expected a finite number, got nan"),
    ("gate_inf", "line 4: gate.0.max: expected a finite number, got -inf"),
    ("gate_nothing", "nothing to check"),
    ("gate_confidence", "expected a number less than 1"),
    ("gate_alarm", "expected a finite number, got nan"),
    ("gate_share", 'expected a share such as "1%"'),
    ("gate_baseline", "a gates file reads baselines in its own folder"),
    ("gate_no_baseline", "--baseline DIR"),
    ("gate_many", "id 'a' is used twice"),
]
_CORPUS_ROWS = [
    ("linked", "is a link to"),
    ("linked/p.tx", "no such file or folder"),
    ("fifo", "neither a file nor a folder"),
    ("zero", "neither a file nor a folder"),
    ("/dev/zero", "neither a file nor a folder"),
    ("empty.txt", "is empty"),
    ("folder", "no text files in this folder"),
    ("half", "val.bin: no such file"),
    ("bins", "not a whole number of uint16 ids"),
    ("bins_1e9", "vocab_size is 1000000000, but it must be"),
    ("bins_1e30", "at most 4,194,304"),
    ("bins_minus", "vocab_size is -1"),
    ("bins_digits", "refused"),
    ("bins_code", "it asks for os.system"),
    ("bins_memo", "it numbers an object 2,147,483,647"),
    ("bins_cut", "refused"),
    ("bins_list", "vocab_size is None"),
    ("bins_small", "the two do not belong together"),
    ("~nobodyx/x", "no such user"),
    ("x" * 300, "the name is too long for a file"),
    (f"a{ESC}", r"a\x1b[2J"),
    ("synthetc", "did you mean 'synthetic'?"),
]
_FLAG_ROWS = [
    ("--n-layer 100000", f"{BOUND} 1024, got 100000"),
    (f"--n-layer {'9' * 400}", f"{BOUND} 1024"),
    (f"--n-layer {LARGE}", "expected a whole number"),
    (f"--n-layer {NESTED[:1000]}", "expected a whole number"),
    ("--n-embd 99999999999999999999", f"{BOUND} 1048576"),
    ("--n-embd 1000003", "is not divisible by n_head = 4; n_head = 1 would be"),
    ("--n-head 3", "n_head = 2 would be"),
    ("--batch-size 1000000000", f"{BOUND} 1048576"),
    ("--block-size 100000000", f"{BOUND} 1048576"),
    ("--vocab-size 100000000000", f"{BOUND} 4194304"),
    ("--steps 99999999999", f"{BOUND} 1000000000"),
    ("--ffn-ratio 1e300", f"{BOUND} 1024"),
    ("--lr nan", "expected a finite number"),
    ("--lr -1", "expected a number greater than 0"),
    ("--dropout 1", "expected a number less than 1"),
    ("--seeds 1000000000", RAISES),
    ("--seeds 0-99999999999", RAISES),
    ("--seeds 0-99999,0-99999", RAISES),
    (f"--seeds {'9' * 400}", RAISES),
    (f"--seeds {LARGE}", "expected a number (3), a range (0-4) or a list (0,7)"),
    ("--seeds 1_0", "expected a number (3)"),
    ("--seeds -3", "expected a number (3)"),
    ("--seeds 0", "names no seed"),
    ("--name ../x", "cannot name a folder"),
    (f"--name {'n' * 300}", "is too long to name a folder"),
    ("--name ∅", "an empty argument after --name"),
    ("-o ∅", "an empty argument after -o"),
    ("--out=", "--out= is given nothing"),
    ("-o text.txt", "is a file, not a folder"),
    (f"-o {'x' * 300}", "the name is too long for a file"),
    ("--init gpt2:", "expected key=value after the colon, got ''"),
    ("--init gpt2:std=1_0", "expected a number as std, got '1_0'"),
    ("--init gpt2:std=nan", "expected a finite number that is not negative as std"),
    (f"--init gpt2:std={LARGE}", "expected a finite number"),
    ("--init gpt3", "unknown init 'gpt3'; did you mean 'gpt2'?"),
    ("--init gpt2,", "unknown init ''"),
    ("--activation gleu", "did you mean"),
    ("--optimizer adamw:x=1", "has no parameter 'x'"),
    ("--set train.lrr=1", "[train] has no field 'lrr'; did you mean 'lr'?"),
    ("--set train.lr", "expected KEY=VALUE"),
    ("--base n_embd", "expected n_embd=NUMBER"),
    ("--target n_embd=99999999999999999999", "expected a number up to 1048576 as n_embd"),
    (f"--target n_embd={LARGE}", "expected a whole number from 1 as n_embd"),
    ("--device tpu", "no kind of device 'tpu'"),
    ("--lanes 99999999", "lanes: expected a whole number from 1 to 65,536"),
    ("--jobs 0", "jobs: expected a whole number from 1"),
    ("--launcher nobody", "unknown launcher 'nobody'"),
    ("--launcher local:", "expected key=value"),
    ("--tokenizer bites", "tokenizer = 'bites' has nothing to do"),
    (f"--{ESC}", r"--\x1b[2J"),
]
_OTHER_ROWS = [
    ("sweep fifo", PLAIN),
    ("sweep zero", PLAIN),
    ("sweep /dev/zero", PLAIN),
    ("sweep linked", "is a link to"),
    ("sweep absent.toml", "no such spec file"),
    ("sweep folder", "no such spec file"),
    (f"sweep {'x' * 300}", "the name is too long for a file"),
    ("sweep ∅", "an empty argument after sweep"),
    (r"status a\[/foo]", r"a\[/foo]: no such folder"),
    (f"status a{ESC}", r"a\x1b[2J: no such folder"),
    ("status text.txt", "text.txt"),
    ("report folder --format pdf", "pdf"),
    ("report absent", "no such folder"),
    ("claims stored fifo", PLAIN),
    ("claims stored zero", PLAIN),
    ("gate stored fifo", PLAIN),
    ("gate stored linked", "is a link to"),
    ("gate stored absent.toml", "no such gates file"),
    ("explain gpt2 --n-layer 100000", f"{BOUND} 1024"),
    ("predict gpt2 --n-layer 100000", f"{BOUND} 1024"),
    ("predict gpt2 --block-size 100000000", f"{BOUND} 1048576"),
    ("predict gpt2 --batch-size 1000000000", "batch_size: expected a whole number from 1 to 1,048,576"),
    ("predict gpt2 --n-embd 1000000000", f"{BOUND} 1048576"),
    ("predict gpt2:std=1e30", "leaves the range of floating-point numbers"),
    ("predict gpt2:std=1e-200", "leave what 64-bit floats hold"),
    ("predict gpt2 --lr nan", "Invalid value for '--lr'"),
    ("predict gpt2 --over n_layer=1..1000000000", f"{BOUND} 1024"),
    (f"predict gpt2 --over n_layer=1..{LARGE}", "are no sizes"),
    (f"predict gpt2 --over n_layer={','.join(map(str, range(1, 1002)))}", "INITLAB_MAX_SIZES raises the limit"),
    ("predict gpt2 --over n_layers=1..2", "did you mean 'n_layer'?"),
    ("predict gpt2 --tokens fifo", "neither a file nor a folder"),
    ("weights gpt2 -o w.st --n-layer 100000", f"{BOUND} 1024"),
    ("weights gpt2 -o w.st --vocab-size 100000000000", f"{BOUND} 4194304"),
    ("weights gpt2 -o w.st --n-embd 1000000", "INITLAB_MAX_MEMORY raises the limit"),
    ("weights gpt2 -o fifo --force", "is a fifo, and a checkpoint is written to plain files only"),
    ("weights gpt2 -o /dev/null --force", "is a device, and a checkpoint is written to plain files only"),
    ("weights gpt2 -o folder.st", "is a folder"),
    ("weights gpt2 -o ∅", "an empty argument after -o"),
    ("weights gpt2 -o text.txt", "--force replaces it"),
    (
        "weights gpt2:std=1e39 -o w.st --n-layer 1 --n-head 1 --n-embd 8 --block-size 8 --vocab-size 8",
        "are not finite in float32",
    ),
    ("explain gpt2 --plugin exits.py:x", "it calls os._exit(7)"),
    ("explain gpt2 --plugin interrupts.py:x", "cannot be loaded: KeyboardInterrupt"),
    ("explain gpt2 --plugin leaves.py:x", "cannot be loaded: SystemExit"),
    ("explain gpt2 --plugin raises.py:x", r"ValueError: \x1b[2J"),
    ("explain gpt2 --plugin unparsed.py:x", "SyntaxError"),
    ("explain gpt2 --plugin nothing.py:x", "x is registered as nothing"),
    ("explain gpt2 --plugin absent.py:x", "--plugin absent.py:x cannot be loaded: no such file"),
    ("explain gpt2 --plugin absent.py", "expected path/to/file.py:name"),
    (f"explain gpt2 --plugin {'x' * 300}.py:x", "--plugin"),
    ("list nothing", "nothing"),
    ("schema --kind nothing", "no file of kind 'nothing'"),
    (f"a{ESC}", r"a\x1b[2J"),
]


def _judge(name: str) -> str:
    """Return the command that reads a file of statements."""
    return "claims" if name.startswith("claim") else "gate"


TABLE = [
    *(bad(f"sweep {name}.toml --dry-run", message) for name, message in _SPEC_ROWS),
    *(bad(f"{_judge(name)} stored {name}.toml", m) for name, m in _STATEMENT_ROWS),
    *(bad(f"{DRY} --corpus {name}", message) for name, message in _CORPUS_ROWS),
    bad(f"{DRY} --corpus latin.txt --tokenizer char", "not UTF-8 at byte 0"),
    *(bad(f"{DRY} {flags}", message) for flags, message in _FLAG_ROWS),
    *(bad(typed, message) for typed, message in _OTHER_ROWS),
]
