"""Files, folders and hub names: the same rows from each, and errors that name file and line."""

import csv
import gzip
import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gyrocompass.data import read, read_examples, read_preferences, read_steps, sha256
from gyrocompass.errors import InputError
from gyrocompass.records import Preference, user

ROWS = [
    {"prompt": "Say hé\n\u2028twice, please", "chosen": "hé, hé", "rejected": 'he said "hé"'},
    {"prompt": "Hi", "chosen": "Hello", "rejected": "No"},
]
PAIRS = [Preference(user(row["prompt"]), row["chosen"], row["rejected"]) for row in ROWS]
TORN = gzip.compress(b'{"prompt": "a"}', mtime=0)[:-9]


def as_jsonl():
    return "".join(json.dumps(row, ensure_ascii=False) + "\n\n" for row in ROWS).encode()


def as_csv(tmp_path):
    path = tmp_path / "as.csv"
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, ROWS[0])
        writer.writeheader()
        writer.writerows(ROWS)
    return path.read_bytes()


@pytest.mark.parametrize(
    "name", ["a.jsonl", "a.jsonl.gz", "a.json", "lines.json", "a.JSON.gz", "a.csv", "a.csv.gz", "a.parquet"]
)
def test_every_format_gives_the_same_records(tmp_path, name):
    path = tmp_path / name
    if name == "a.parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(ROWS), path)
    else:
        content = as_csv(tmp_path) if ".csv" in name else as_jsonl()
        if name.lower().startswith("a.json") and "jsonl" not in name:
            content = json.dumps(ROWS, indent=2).encode()
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    pairs, report = read_preferences(str(path))
    assert pairs == PAIRS
    assert report.source == str(path)


def test_a_folder_is_its_data_files_in_order(tmp_path):
    (tmp_path / "b.jsonl").write_text(json.dumps(ROWS[1]))
    (tmp_path / "a.json").write_text(json.dumps(ROWS[:1]))
    (tmp_path / "README.md").write_text("about")
    assert read_preferences(tmp_path)[0] == PAIRS


def test_csv_holds_lists_as_json(tmp_path):
    path = tmp_path / "steps.csv"
    path.write_text('prompt,completions,labels,id\nGo,"[""a"", ""b""]","[true, 0]",7\n')
    [steps], _ = read_steps(path)
    assert (steps.steps, steps.labels, steps.meta) == (("a", "b"), (1.0, 0.0), {"id": "7"})
    path.write_text('messages\n"[{""role"": ""user"", ""content"": ""Hi""}]"\n')
    assert read_examples(path)[0][0].prompt == user("Hi")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.jsonl", b"", "a.jsonl: the file is empty; give one that has rows"),
        ("a.jsonl", b"\n\n", "a.jsonl: it holds no rows"),
        ("a.json", b"[]", "a.json: it holds no rows"),
        ("a.csv", b"prompt\n", "a.csv: it holds no rows"),
        ("a.jsonl", b'{"prompt": "a"}\n{"prompt": \n', "a.jsonl:2: broken JSON (Expecting value"),
        ("a.jsonl", b'{"prompt": "a"}\n{"prompt": "\xff"}\n', "a.jsonl:2: broken JSON (it is not UTF-8 text)"),
        ("a.jsonl", b"[" * 100_000, "a.jsonl: it can't be read as its suffix says (maximum recursion"),
        ("a.jsonl", b'{"prompt": "a"}\n[1]\n', "a.jsonl:2: the row is [1]; write it as an object of columns"),
        ("a.jsonl", b'{"prompt": "a"}\n\n{"promt": "b"}\n', "a.jsonl:3: no column 'prompt' among promt"),
        ("a.json", b'[\n{"prompt": "a"},\n{"promt": "b"}]', "a.json:3: no column 'prompt' among promt"),
        ("a.json", b'[\n{"prompt": "a"},\n{"prompt" "b"}]', "a.json:3: broken JSON (Expecting ':' delimiter"),
        ("a.json", b'[\n{"prompt": "a"},\n', "a.json:2: broken JSON (the list is not closed)"),
        ("a.csv", b'prompt,chosen,rejected\n"a\nb",x,y\na,x\n', "a.csv:4: 2 cells under a header of 3"),
        ("a.csv", b'prompt\na\n"b\nc\n', "a.csv:3: broken CSV (unexpected end of data)"),
        ("a.csv", b"prompt\n\xff\n", "a.csv: it is not UTF-8 text"),
        ("a.parquet", b"PAR", "a.parquet: it can't be read as its suffix says"),
        ("a.jsonl.gz", b"{}", "a.jsonl.gz: it can't be read as its suffix says (Not a gzipped file"),
        ("a.jsonl.gz", TORN, "a.jsonl.gz: it can't be read as its suffix says"),
        ("a.txt", b"a", "a.txt: its suffix names no known format"),
    ],
)  # fmt: skip
def test_a_bad_file_is_one_line_that_names_file_and_line(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as error:
        read(tmp_path / name)
    assert str(error.value).startswith(str(tmp_path / words.split(":")[0]))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_names_its_nearest_neighbour(tmp_path):
    (tmp_path / "pairs.jsonl").write_bytes(as_jsonl())
    with pytest.raises(InputError, match=r"pair.jsonl: no such file or folder; did you mean .*pairs.jsonl\?"):
        read(tmp_path / "pair.jsonl")
    with pytest.raises(InputError, match="no such file or folder; check the path"):
        read(tmp_path / "elsewhere" / "pairs.jsonl")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="the folder holds no data file"):
        read(tmp_path / "empty")


def test_a_hub_name_without_network_is_one_line(monkeypatch):
    import datasets
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="can't be loaded from the hub") as error:
        read("no-such-org/no-such-data:train")
    assert "\n" not in str(error.value)


def test_a_hub_name_with_a_split(monkeypatch, tmp_path):
    """`datasets` takes a folder of that name for the hub's, which lets the split be tested without network."""
    import datasets

    (tmp_path / "org" / "name").mkdir(parents=True)
    (tmp_path / "org" / "name" / "test.jsonl").write_bytes(as_jsonl())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    assert read_preferences("org/name:test")[0] == PAIRS
    with pytest.raises(InputError, match=r"(?i)org/name:trial: .*unknown split"):
        read_preferences("org/name:trial")
    assert sha256("org/name:test") == sha256("org/name:test[:2]") != sha256("org/name:test[:1]")


def test_sha256_is_that_of_the_bytes_and_of_a_folder_that_of_its_files(tmp_path):
    one, two = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    one.write_bytes(b"one")
    assert sha256(one) == hashlib.sha256(b"one").hexdigest()
    alone = sha256(tmp_path)
    two.write_bytes(b"two")
    both = sha256(tmp_path)
    two.rename(tmp_path / "c.jsonl")
    assert len({alone, both, sha256(tmp_path)}) == 3
    with pytest.raises(InputError, match="no such file"):
        sha256(tmp_path / "d.jsonl")


@settings(max_examples=200, deadline=None)
@given(
    name=st.sampled_from(["a.jsonl", "a.json", "a.csv", "a.jsonl.gz", "a.parquet"]),
    content=st.binary(max_size=60) | st.text('[]{}",:prompt\n\\ 1', max_size=60).map(str.encode),
)
def test_whatever_the_bytes_the_only_error_is_one_line_of_input_error(tmp_path_factory, name, content):
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(content)
    error = ""
    try:
        read(path)
    except InputError as raised:
        error = str(raised)
    assert "\n" not in error
