"""Result files in the layout of lm-evaluation-harness: `MODEL/results_DATE.json`, `MODEL/samples_TASK_DATE.jsonl`.

A metric's key is `name,none`, that of a slice `name,SLICE`; `name_stderr,none` stands beside it. The interval itself,
with its n, is kept under `intervals`, which the harness doesn't know and its readers pass over.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..files import write_json, write_jsonl
from ..records import Measurement
from .answers import Response, Sheet, plain, stamp, standard_error

Row = dict[str, Any]


def write(sheets: Sequence[Sheet], run: Mapping[str, Any], folder: Path) -> list[Path]:
    """Writes all evals into a folder for each model; `run` is what run.json holds.

    All files of a model bear one date, that of its latest eval. Returns the results files.
    """
    models = dict.fromkeys(sheet.model for sheet in sheets)
    return [_write_model([s for s in sheets if s.model == model], run, folder) for model in models]


def _write_model(sheets: Sequence[Sheet], run: Mapping[str, Any], folder: Path) -> Path:
    date = stamp(max(sheet.started for sheet in sheets))
    inside = folder / sanitized(sheets[0].model)
    inside.mkdir(parents=True, exist_ok=True)
    for sheet in sheets:
        write_jsonl(inside / f"samples_{plain(sheet.eval)}_{date}.jsonl", samples(sheet))
    path = inside / f"results_{date}.json"
    write_json(path, results(sheets, run))
    return path


def results(sheets: Sequence[Sheet], run: Mapping[str, Any]) -> Row:
    """The results file of one model: `sheets` are its evals."""
    versions = run.get("versions", {})
    first = sheets[0]
    counts = {sheet.eval: len(sheet.answers) for sheet in sheets}
    return {
        "results": {s.eval: {"alias": s.eval, "sample_len": counts[s.eval]} | _values(s.metrics) for s in sheets},
        "group_subtasks": {sheet.eval: [] for sheet in sheets},
        "configs": {sheet.eval: _config(sheet) for sheet in sheets},
        "versions": {sheet.eval: versions.get("gyrocompass") for sheet in sheets},
        "n-shot": {sheet.eval: 0 for sheet in sheets},
        "higher_is_better": {s.eval: {name: _higher_is_better(s, name) for name in _names(s)} for s in sheets},
        "n-samples": {name: {"original": n, "effective": n} for name, n in counts.items()},
        "intervals": {sheet.eval: {_key(row): [row.low, row.high, row.n] for row in sheet.metrics} for sheet in sheets},
        "config": {"model": "gyrocompass", "model_args": f"model={first.model}", "gen_kwargs": dict(first.settings)}
        | {f"{kind}_seed": first.settings.get("seed") for kind in ("random", "numpy", "torch", "fewshot")},
        "git_hash": run.get("commit"),
        "date": max(sheet.started for sheet in sheets).timestamp(),
        "transformers_version": versions.get("transformers"),
        "gyrocompass_version": versions.get("gyrocompass"),
        "task_hashes": {sheet.eval: _task_hash(sheet) for sheet in sheets},
        "model_source": "gyrocompass",
        "model_name": first.model,
        "model_name_sanitized": sanitized(first.model),
        "total_evaluation_time_seconds": str(sum(sheet.seconds for sheet in sheets)),
    }


def samples(sheet: Sheet) -> list[Row]:
    """One row an answer. An abstained mark is null and isn't listed among the answer's `metrics`."""
    return [_sample(i, answer, sheet.settings) for i, answer in enumerate(sheet.answers)]


def sanitized(model: str) -> str:
    """The folder of a model: what no file name may hold becomes two underscores."""
    return re.sub(r'["<>:/|\\?*\[\]]+', "__", model)


def _values(rows: Sequence[Measurement]) -> Row:
    values: Row = {}
    for row in rows:
        values[_key(row)] = float(row.value)
        values[_key(row, "_stderr")] = standard_error(row)
    return values


def _key(row: Measurement, suffix: str = "") -> str:
    return f"{row.metric}{suffix},{row.slice or 'none'}"


def _names(sheet: Sheet) -> list[str]:
    return list(dict.fromkeys(row.metric for row in sheet.metrics))


def _higher_is_better(sheet: Sheet, metric: str) -> bool | None:
    """None where nobody said, and for a gap, which is best at zero."""
    return {"high": True, "low": False}.get(sheet.better.get(metric, "zero"))


def _config(sheet: Sheet) -> Row:
    return {
        "task": sheet.eval,
        "tag": [sheet.property],
        "output_type": "generate_until",
        "num_fewshot": 0,
        "metric_list": [{"metric": m, "higher_is_better": _higher_is_better(sheet, m)} for m in _names(sheet)],
        "generation_kwargs": dict(sheet.settings),
        "metadata": {"property": sheet.property, "headline": sheet.headline},
    }


def _sample(number: int, answer: Response, settings: Mapping[str, Any]) -> Row:
    prompt = json.dumps(answer.messages, ensure_ascii=False)
    doc = {**answer.meta, "prompt": answer.messages}
    said = [] if answer.response is None else [answer.response]
    return {
        **answer.marks,
        "doc_id": number,
        "doc": doc,
        "target": "",
        "arguments": {"gen_args_0": {"arg_0": prompt, "arg_1": dict(settings)}},
        "resps": [said],
        "filtered_resps": said,
        "filter": "none",
        "metrics": [name for name, mark in answer.marks.items() if mark is not None],
        "doc_hash": _hash(json.dumps(doc, indent=2, ensure_ascii=False)),
        "prompt_hash": _hash(prompt),
        "target_hash": _hash(""),
    }


def _task_hash(sheet: Sheet) -> str:
    return _hash("".join(row["doc_hash"] + row["prompt_hash"] + row["target_hash"] for row in samples(sheet)))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
