"""Artifacts made to do harm: each ends in a sentence, soon, and without much memory."""

import json
import os
import re
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save

import recsys_cli
from recsys_cli.artifacts.documents import LARGEST, serialised, with_digest
from recsys_cli.artifacts.manifest import MANIFEST, open_artifact, sha256_of_file, writing_artifact
from recsys_cli.artifacts.parquet import read_parquet
from recsys_cli.errors import ArtifactError
from recsys_cli.models.store import open_model
from recsys_cli.sequences.store import open_dataset
from recsys_cli.stages.check import check

SECRET = "what nobody may see"


@pytest.fixture
def dataset(make_dataset) -> Path:
    return make_dataset({"u1": ["a", "b", "c"], "u2": ["b", "c", "a"]})


def change_manifest(path: Path, change) -> None:
    """As somebody would who knows how: with the right digest."""
    document = json.loads((path / MANIFEST).read_bytes())
    change(document)
    (path / MANIFEST).write_bytes(with_digest(document))


@pytest.mark.parametrize(
    "name",
    ["../secret", "/etc/passwd", "..", ".", "", "a/../../secret", "secret", "~/secret", "con\n",
     "items-0123456789abcdef.parquet/../../secret",
     "items\u0000-0123456789abcdef.parquet", "\ud800-0123456789abcdef"],
)  # fmt: skip
def test_a_name_that_leads_out_of_the_artifact_is_refused(dataset, name):
    (dataset.parent / "secret").write_text(SECRET)

    def change(document):
        document["files"]["items.parquet"]["name"] = name

    if "\ud800" in name:
        raw = (dataset / MANIFEST).read_bytes()
        raw = re.sub(rb'"items-[0-9a-f]{16}\.parquet"', b'"\\\\ud800-0123456789abcdef"', raw)
        (dataset / MANIFEST).write_bytes(re.sub(rb',\n "sha256": "[0-9a-f]{64}",?', b",", raw))
    else:
        change_manifest(dataset, change)
    with pytest.raises(ArtifactError) as caught:
        open_dataset(dataset)
    assert SECRET not in caught.value.message


def test_a_link_to_a_file_outside_is_refused_and_so_is_one_in_place_of_the_manifest(dataset):
    secret = dataset.parent / "secret"
    secret.write_text(SECRET)
    inside = open_artifact(dataset).file("items.parquet")
    inside.unlink()
    inside.symlink_to(secret)

    def change(document):
        document["files"]["items.parquet"] |= {"sha256": sha256_of_file(secret), "bytes": len(SECRET)}

    change_manifest(dataset, change)
    with pytest.raises(ArtifactError, match=r"items-.*is a symbolic link"):
        _ = open_dataset(dataset).items
    (dataset / MANIFEST).unlink()
    (dataset / MANIFEST).symlink_to("/dev/zero")
    with pytest.raises(ArtifactError, match=r"manifest\.json is a symbolic link"):
        open_dataset(dataset)


def test_a_pipe_in_place_of_a_file_is_refused_and_not_waited_for(dataset):
    for path in (open_artifact(dataset).file("sequences.parquet"), dataset / MANIFEST):
        path.unlink()
        os.mkfifo(path)
        with pytest.raises(ArtifactError, match="not a regular file"):
            _ = open_dataset(dataset).sequences


DOCUMENTS = {
    "nested lists": b"[" * 200_000 + b"]" * 200_000,
    "nested objects": b'{"a":' * 200_000 + b"1" + b"}" * 200_000,
    "an integer of a million digits": b'{"schema_version": ' + b"9" * 1_000_000 + b"}",
    "an infinite number": b'{"schema_version": 1e999}',
    "not a number": b'{"schema_version": NaN}',
    "a list": b"[1]",
    "nothing": b"",
    "no text": bytes(range(256)),
    "half of it": b'{"kind": "dataset", "files": {',
}


@pytest.mark.parametrize("what", DOCUMENTS)
def test_a_manifest_that_is_no_such_document_is_refused(dataset, what):
    (dataset / MANIFEST).write_bytes(DOCUMENTS[what])
    with pytest.raises(ArtifactError, match=r"manifest\.json is damaged"):
        open_dataset(dataset)


DEEP = b"[" * 900 + b"]" * 900
CHANGES = {
    "nested details": (rb'"details": \{', b'"details": {"a": ' + DEEP + b","),
    "huge counts": (rb'"users": 2', b'"users": ' + b"9" * 400),
    "negative counts": (rb'"users": 2', b'"users": -2'),
    "counts that are text": (rb'"users": 2', b'"users": "2"'),
    "infinite details": (rb'"details": \{', b'"details": {"a": 1e999,'),
    "another split": (rb'"kind": "leave-one-out"', b'"kind": "__import__"'),
    "a title that is a list": (rb'"title_field": null', b'"title_field": ["a"]'),
    "no timestamps": (rb'"timestamps"', b'"timestomps"'),
    "another kind": (rb'"kind": "dataset"', b'"kind": "pickle"'),
    "more keys": (rb'\{\n "config', b'{\n "run": "rm -rf", "config'),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_manifest_with_such_a_value_is_refused_when_its_digest_is_right_too(dataset, what):
    pattern, value = CHANGES[what]
    changed, times = re.subn(pattern, lambda match: value, (dataset / MANIFEST).read_bytes(), count=1)
    assert times == 1
    unsigned = re.sub(rb',\n "sha256": "[0-9a-f]{64}"(?=,|\n)', b"", changed)
    (dataset / MANIFEST).write_bytes(unsigned)
    if what in {"nested details", "infinite details"}:
        _ = check_or_refuse(dataset)
        return
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        open_dataset(dataset)


def check_or_refuse(path: Path) -> bool:
    """Deep but bounded details that nobody reads are no harm, as long as nothing breaks on them."""
    try:
        check(path)
    except ArtifactError:
        return True
    return False


def test_a_manifest_larger_than_any_is_not_read_to_its_end(dataset):
    with (dataset / MANIFEST).open("r+b") as stream:
        stream.truncate(LARGEST * 100)  # a sparse file
    tracemalloc.start()
    with pytest.raises(ArtifactError, match=r"manifest\.json is larger than 64 MiB"):
        open_dataset(dataset)
    assert tracemalloc.get_traced_memory()[1] < 3 * LARGEST
    tracemalloc.stop()


def write_model(path: Path, weights: bytes, *, configuration: dict | None = None) -> Path:
    attributes = pa.table({"number": pa.array([], pa.int32()), "entity": pa.array([], pa.string()),
                           "field": pa.array([], pa.string()), "value": pa.array([], pa.string()),
                           "count": pa.array([], pa.int64())})  # fmt: skip
    items = pa.table({"number": pa.array([1], pa.int32()), "item_id": ["a"],
                      "attributes": pa.array([[]], pa.list_(pa.int32()))})  # fmt: skip
    details = {"fields": [], "rating_edges": [], "rating_levels": 0, "loss": "full-softmax",
               "head_weight": None, "calibration": None, "best_epoch": 1, "steps": 1, "total_steps": 1,
               "validation": {}, "parameters": 1}  # fmt: skip
    with writing_artifact(path, "model", overwrite=True) as writer:
        writer.file("weights.safetensors").write_bytes(weights)
        pq.write_table(attributes, writer.file("attributes.parquet"))
        pq.write_table(items, writer.file("items.parquet"))
        writer.file("history.jsonl").write_bytes(b'{"epoch": 1}\n')
        writer.commit(
            configuration=configuration or {},
            inputs={},
            counts={"items": 1, "parameters": 1, "epochs": 1},
            details=details,
            run={},
        )
    return path


def header(document: object) -> bytes:
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    return struct.pack("<Q", len(raw)) + raw


def tensor(shape: list[int], end: int = 4, dtype: str = "F32") -> dict:
    return {"embeddings/items": {"dtype": dtype, "shape": shape, "data_offsets": [0, end]}}


WEIGHTS = {
    "a gigantic shape": header(tensor([1 << 40, 1 << 20])) + bytes(4),
    "a gigantic shape and offsets": header(tensor([1 << 40], 1 << 42)) + bytes(4),
    "a shape that overflows": header(tensor([1 << 62, 4], 0)),
    "a header longer than the file": struct.pack("<Q", 1 << 60) + b"{}",
    "a nested header": header(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "a type that is none": header(tensor([1], dtype="PICKLE")) + bytes(4),
    "a pickle": b"\x80\x04\x95\x1c\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
    "names of somewhere else": save({"../../x": np.zeros(1, np.float32)}),
    "another shape": save({"embeddings/items": np.zeros((2, 2), np.float32)}),
    "nothing": b"",
}


@pytest.mark.parametrize("what", WEIGHTS)
def test_weights_that_are_not_what_they_declare_are_refused(tmp_path, what):
    model = write_model(tmp_path / "m", WEIGHTS[what])
    for read in (lambda: open_model(model).load(), lambda: check(model)):
        with pytest.raises(ArtifactError, match=r"weights-[0-9a-f]{16}\.safetensors"):
            read()


@pytest.mark.parametrize(
    "shape",
    [{"num_blocks": 10**9}, {"embedding_dim": 10**12}, {"max_length": 10**12}, {"head_dim": 10**12},
     {"embedding_dim": float(2**70)}, {"class": "os.system"}],
)  # fmt: skip
def test_a_model_that_would_be_gigantic_is_refused_by_its_settings(tmp_path, shape):
    model = write_model(tmp_path / "m", WEIGHTS["another shape"], configuration={"model": shape})
    with pytest.raises(ArtifactError, match=r"manifest\.json: configuration is damaged"):
        open_model(model).load()


def varint(number: int) -> bytes:
    """As Thrift's compact protocol writes an integer."""
    number = number << 1
    parts = []
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])


def with_rows_declared(path: Path, rows: int, declared: int) -> None:
    """Write another number of rows into the footer; both have as many digits in its notation."""
    raw = path.read_bytes()
    old, new = varint(rows), varint(declared)
    assert len(old) == len(new)
    footer = raw.rindex(b"PAR1", 0, len(raw) - 4) if raw.count(b"PAR1") > 2 else 4
    path.write_bytes(raw[:footer] + raw[footer:].replace(old, new))


def test_parquet_that_declares_more_rows_than_it_has_is_refused(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": pa.array(range(100_003), pa.int32())}), path)
    with_rows_declared(path, 100_003, 1_048_000)
    with pytest.raises(ArtifactError, match=r"t\.parquet"):
        read_parquet(path, hint="")


def test_a_few_bytes_that_stand_for_billions_of_rows_are_refused_before_they_are_unpacked(tmp_path):
    path = tmp_path / "t.parquet"
    part = pa.table({"a": pa.array(np.zeros(1 << 20, np.int8))})
    with pq.ParquetWriter(path, part.schema, compression="zstd") as writer:
        for _ in range(80):
            writer.write_table(part)
    assert path.stat().st_size < 512 << 10
    with pytest.raises(ArtifactError, match=r"t\.parquet declares more than it can hold"):
        read_parquet(path, hint="")


@pytest.mark.parametrize("name", ["items", "users", "attributes", "item_attributes", "sequences"])
def test_tables_of_other_columns_are_refused_by_whoever_reads_them(dataset, name):
    artifact = open_artifact(dataset)
    kept = {each: artifact.file(each).read_bytes() for each in artifact.manifest.files}
    with writing_artifact(dataset, "dataset", overwrite=True) as writer:
        for each, raw in kept.items():
            writer.file(each).write_bytes(raw)
        pq.write_table(pa.table({"number": [1.5, 2.5]}), writer.file(f"{name}.parquet"))
        manifest = artifact.manifest
        writer.commit(configuration={}, inputs={}, counts=manifest.counts, details=manifest.details, run={})
    opened = open_dataset(dataset)
    with pytest.raises(ArtifactError, match=name):
        _ = getattr(opened, name)


NUMBERS = {
    "an item that is not there": ("items", [[1, 2, 99], [1, 2, 3]]),
    "an item below the first": ("items", [[1, 2, -1], [1, 2, 3]]),
    "times for other events": ("timestamps", [[1, 2], [1, 2, 3]]),
    "a part that begins before its user": ("validation_start", [-9, 1]),
    "a part that ends after its user": ("test_start", [2, 99]),
}


@pytest.mark.parametrize("what", NUMBERS)
def test_numbers_that_lead_out_of_a_table_are_refused_by_whoever_reads_them(dataset, what):
    column, values = NUMBERS[what]
    remake(dataset, "sequences.parquet", column, values)
    with pytest.raises(ArtifactError, match=r"sequences-.*parquet does not fit the other files"):
        _ = open_dataset(dataset).sequences


@pytest.mark.parametrize("name", ["items", "users", "item_attributes", "user_attributes", "sequences"])
def test_tables_of_another_length_are_refused_by_whoever_reads_them(dataset, name):
    remake(dataset, f"{name}.parquet")
    with pytest.raises(ArtifactError, match=rf"{name}-.*parquet does not fit the other files"):
        _ = getattr(open_dataset(dataset), name)


def remake(path: Path, name: str, column: str | None = None, values: object = None) -> None:
    """The dataset with one column changed, or (None) one table a row shorter; every digest right."""
    artifact = open_artifact(path)
    kept = {each: artifact.file(each).read_bytes() for each in artifact.manifest.files}
    table = pq.read_table(artifact.file(name))
    if column is None:
        table = table.slice(1)
    else:
        index = table.column_names.index(column)
        table = table.set_column(index, table.schema.field(column), pa.array(values, table[column].type))
    with writing_artifact(path, "dataset", overwrite=True) as writer:
        for each, raw in kept.items():
            writer.file(each).write_bytes(raw)
        pq.write_table(table, writer.file(name))
        manifest = artifact.manifest
        writer.commit(configuration={}, inputs={}, counts=manifest.counts, details=manifest.details, run={})


LIMITED = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
sys.path.insert(0, {str(Path(recsys_cli.__file__).parents[1])!r})
from recsys_cli.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("what", ["nested objects", "an integer of a million digits"])
def test_a_command_says_so_in_a_sentence_with_exit_code_four(dataset, what):
    (dataset / MANIFEST).write_bytes(DOCUMENTS[what])
    finished = subprocess.run(
        [sys.executable, "-c", LIMITED, "check", dataset], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 4
    assert finished.stdout == ""
    assert finished.stderr.startswith("error: ")
    assert len(finished.stderr.splitlines()) == 2


SOURCE = Path(recsys_cli.__file__).parent
FORBIDDEN_CALLS = re.compile(r"(?<![\w.])(eval|exec|compile|__import__)\(")
FORBIDDEN_MODULES = re.compile(
    r"^\s*(?:import|from)\s+(pickle|cPickle|dill|cloudpickle|joblib|marshal|shelve|jsonpickle|yaml|torch)\b",
    re.MULTILINE,
)
UNPICKLING = re.compile(
    r"allow_pickle\s*=\s*True|read_pickle|to_pickle|np\.load\(|shell\s*=\s*True|os\.system"
)


def test_nothing_in_the_package_runs_what_it_reads():
    for path in SOURCE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for pattern in (FORBIDDEN_CALLS, FORBIDDEN_MODULES, UNPICKLING):
            assert pattern.search(text) is None, (path, pattern.search(text))


def test_the_patterns_find_what_they_are_for():
    assert FORBIDDEN_CALLS.search("x = eval('1')")
    assert FORBIDDEN_MODULES.search("import pickle")
    assert UNPICKLING.search("np.load(path)")


def test_serialised_documents_come_back(tmp_path):
    assert json.loads(serialised({"a": [1, 0.1]})) == {"a": [1, 0.1]}
