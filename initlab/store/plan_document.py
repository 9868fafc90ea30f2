"""Checks ``sweep.json`` before anybody follows it: who reads a sweep may not have written it."""

import re
from collections.abc import Mapping
from typing import Any

from initlab.store.row_files import is_number

RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""What a run is named, and its folder."""


def check_plan(document: Mapping[str, Any]) -> None:
    """Raise ValueError, KeyError or TypeError for what no planned sweep has; the message says where."""
    if not {"cells", "runs"} <= set(document):
        raise ValueError("it plans no cells or no runs")
    for name in ("name", "question", "created_at", "git_sha"):
        _text(document.get(name), name, optional=True)
    cells = _list(document.get("cells", []), "cells")
    for number, cell in enumerate(cells):
        _cell(_table(cell, f"cells[{number}]"), f"cells[{number}]")
    for number, run in enumerate(_list(document.get("runs", []), "runs")):
        _run(_table(run, f"runs[{number}]"), f"runs[{number}]", len(cells))
    for run, key in _table(document.get("predictions") or {}, "predictions").items():
        if not (RUN_ID.fullmatch(run) and isinstance(key, str) and RUN_ID.fullmatch(key)):
            raise ValueError(f"predictions: {run!r:.80} or {key!r:.80} is no name of a run or prediction")
    for number, row in enumerate(_list(document.get("outlooks", []), "outlooks")):
        _outlook(_table(row, f"outlooks[{number}]"), f"outlooks[{number}]")
    for probe, tap in _table(document.get("plugin_probes") or {}, "plugin_probes").items():
        _text(probe, "plugin_probes")
        _text(tap, f"plugin_probes.{probe}")
    _table(document.get("target") or {}, "target")


def _run(run: Mapping[str, Any], where: str, cells: int) -> None:
    if not (isinstance(run["id"], str) and RUN_ID.fullmatch(run["id"])):
        raise ValueError(f"{where}: {run['id']!r:.80} is no run's id, which is letters, digits, - and _")
    if type(run["cell"]) is not int or not 0 <= run["cell"] < cells:
        raise ValueError(f"{where}: there is no cell {run['cell']!r:.40}, only 0 to {cells - 1}")
    if type(run["seed"]) is not int or not 0 <= run["seed"] < 2**63:
        raise ValueError(f"{where}: {run['seed']!r:.40} is no seed")


def _cell(cell: Mapping[str, Any], where: str) -> None:
    for name in ("init", "activation"):
        _text(cell[name], f"{where}.{name}")
    _text(cell.get("network", ""), f"{where}.network")
    _scalars(cell["axes"], f"{where}.axes")
    tables = _table(cell["fields"], f"{where}.fields")
    for name, table in tables.items():
        _text(name, f"{where}.fields")
        _scalars(table, f"{where}.fields.{name}")
    for table, name, required in (("model", "n_layer", True), ("train", "steps", False)):
        value = tables[table][name] if required else tables.get(table, {}).get(name, 0)
        if type(value) is not int or not 0 <= value < 2**31:
            raise ValueError(f"{where}: {table}.{name} is {value!r:.40}")


def _outlook(row: Mapping[str, Any], where: str) -> None:
    for name in ("init", "activation", "offer"):
        _text(row[name], f"{where}.{name}", optional=name == "offer")
    for name in ("here", "there", "offered"):
        if name == "offered" and row[name] is None:
            continue
        sizes = _table(row[name], f"{where}.{name}")
        _text(sizes["sizes"], f"{where}.{name}.sizes")
        if set(sizes) != {"sizes", "growth", "attn_ms", "mlp_ms"} or not all(
            is_number(sizes[number]) for number in sizes if number != "sizes"
        ):
            raise TypeError(f"{where}.{name} is no prediction at some sizes")


def check_prediction(document: Mapping[str, Any]) -> None:
    """Raise ValueError, KeyError or TypeError for what is no stored prediction, nor the reason why there is none."""
    if "reason" in document:
        _text(document["reason"], "reason")
        return
    sites, bands = _table(document["sites"], "sites"), _table(document["bands"], "bands")
    _text(document["method"], "method")
    for name in ("growth", "initial_loss"):
        if document[name] is None or not is_number(document[name]):
            raise TypeError(f"{name} is no number")
    for name, band in bands.items():
        curve = sites.get(name, document.get(name))
        if curve is not None and len(_numbers(band, f"bands.{name}")) != len(_numbers(curve, name)):
            raise ValueError(f"bands.{name} is not as long as its curve")
    for name, curve in sites.items():
        _numbers([] if curve is None else curve, f"sites.{name}")
    for number, note in enumerate(_list(document["validity"], "validity")):
        _list(_table(note, f"validity[{number}]")["affects"], f"validity[{number}].affects")
    law = document["growth_law"]
    if law is not None:
        _text(_table(law, "growth_law")["law"], "growth_law.law")


def _numbers(value: Any, where: str) -> list[Any]:
    values = value if isinstance(value, list) else [value]
    if not all(map(is_number, values)):
        raise TypeError(f"{where} holds what is no number")
    return values


def _scalars(value: Any, where: str) -> None:
    for name, one in _table(value, where).items():
        _text(name, where)
        if isinstance(one, str):
            _text(one, f"{where}.{name}")
        elif not (one is None or isinstance(one, bool | int | float)):
            raise TypeError(f"{where}.{name} is no single value")


def _text(value: Any, where: str, *, optional: bool = False) -> None:
    if optional and value is None:
        return
    if not isinstance(value, str) or len(value) > 100_000:
        raise TypeError(f"{where} is no text")


def _table(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{where} is no table")
    return value


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"{where} is no list")
    return value


def check_resolved(document: Mapping[str, Any]) -> None:
    """Raise ValueError, KeyError or TypeError for what is no ``spec.resolved.json``; an empty one says nothing."""
    if set(document) - {"schema_version", "sha256"} and not {"runs", "laws"} <= set(document):
        raise ValueError("it holds no runs or no laws")
    for name in ("runs", "laws"):
        for key, value in _table(document.get(name, {}), name).items():
            _table(value, f"{name}.{key:.40}")
    for digest, laws in (document.get("laws") or {}).items():
        for part in ("slots", "topology"):
            _table(laws[part], f"laws.{digest:.40}.{part}")
    if document.get("execution") is not None:
        _table(document["execution"], "execution")
