"""Tables from files: each format, and what is found out about a text without being told."""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.datasets import dump_svmlight_file

from fastmlp import DataError, FastMLPError
from fastmlp.files import load_file, load_inputs
from fastmlp.idx import write_idx
from fastmlp.tables.reading import find_target, is_table, read_table

FRAME = pd.DataFrame(
    {"a": [1.5, 2.0, np.nan], "b": [1, 2, 3], "c": ["x", "None", "NA"], "d": [True, False, True]}
)


def text(folder: Path, content: str | bytes, name: str = "t.csv") -> pd.DataFrame:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_table(path)


def as_stream(frame: pd.DataFrame, path: Path) -> None:
    table = pa.Table.from_pandas(frame)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)


WRITERS: dict[str, Any] = {
    "t.csv": lambda frame, path: frame.to_csv(path, index=False),
    "t.CSV.gz": lambda frame, path: frame.to_csv(path, index=False, compression="gzip"),
    "t.tsv": lambda frame, path: frame.to_csv(path, index=False, sep="\t"),
    "t.txt": lambda frame, path: frame.to_csv(path, index=False, sep=";"),
    "t.parquet": lambda frame, path: frame.to_parquet(path),
    "t.feather": lambda frame, path: frame.to_feather(path),
    "t.arrow": as_stream,
    "t.jsonl": lambda frame, path: frame.to_json(path, orient="records", lines=True),
}


@pytest.mark.parametrize("name", WRITERS)
def test_each_format_gives_the_same_table(tmp_path: Path, name: str) -> None:
    WRITERS[name](FRAME, tmp_path / name)
    assert is_table(tmp_path / name)
    found = read_table(tmp_path / name)
    assert found.columns.tolist() == ["a", "b", "c", "d"]
    np.testing.assert_array_equal(found.a.to_numpy(float), FRAME.a)
    assert found.b.tolist() == [1, 2, 3]
    assert found.c.tolist() == ["x", "None", "NA"]
    assert found.d.tolist() == [True, False, True]


def test_the_index_of_a_frame_is_a_column_where_it_has_a_name(tmp_path: Path) -> None:
    frame = pd.DataFrame({"town": ["u", "v"], "x": [1, 2]}).set_index("town")
    frame.to_parquet(tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").to_dict("list") == {"town": ["u", "v"], "x": [1, 2]}
    frame.rename_axis(None).to_parquet(tmp_path / "t.parquet")
    assert list(read_table(tmp_path / "t.parquet")) == ["x"]


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"a;b\n1,5;x\n")))
    assert read_table("-").to_dict("list") == {"a": [1.5], "b": ["x"]}


@pytest.mark.parametrize(
    "content",
    [
        "a,b\n1,x\n2,y\n",
        "a;b\n1;x\n2;y\n",
        "a\tb\n1\tx\n2\ty\n",
        "a,b\r\n1,x\r\n2,y\r\n",
        "\ufeffa,b\n1,x\n2,y\n",
        'a, "b"\n1, x\n2, y\n',
    ],
)
def test_the_delimiter_and_the_rest_are_found(tmp_path: Path, content: str) -> None:
    assert text(tmp_path, content).to_dict("list") == {"a": [1, 2], "b": ["x", "y"]}


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252", "latin-1"])
@pytest.mark.filterwarnings("ignore:a text that is not UTF-8")
def test_texts_as_excel_saves_them(tmp_path: Path, encoding: str) -> None:
    found = text(tmp_path, "größe;ort\n1;São\n2;y\n".encode(encoding))
    assert found.to_dict("list") == {"größe": [1, 2], "ort": ["São", "y"]}


def test_what_is_taken_for_windows_1252_is_said(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="is read as Windows-1252"):
        text(tmp_path, b"a,b\n1,\xe9\n")
    with pytest.raises(DataError, match=r"expected a \.csv table, got: .*charmap"):
        text(tmp_path, b"a,b\n1,\x81\n")


def test_commas_in_quotes_and_in_numbers_are_no_delimiters(tmp_path: Path) -> None:
    found = text(tmp_path, 'name;price\n"a;b";1,5\n"c,d";-2,25\n')
    assert found.to_dict("list") == {"name": ["a;b", "c,d"], "price": [1.5, -2.25]}
    found = text(tmp_path, 'name,price\n"Smith, John",5\n"Doe, Jane",6\n')
    assert found.name.tolist() == ["Smith, John", "Doe, Jane"]


def test_codes_with_zeros_before_them_and_long_integers_stay_words(tmp_path: Path) -> None:
    found = text(tmp_path, "zip,n,account,x\n00501,5,12345678901234567,0.5\n10001,6,2,1.5\n")
    assert found.zip.tolist() == ["00501", "10001"]
    assert found.n.tolist() == [5, 6]
    assert found.account.tolist()[0] == "12345678901234567"
    assert found.x.tolist() == [0.5, 1.5]


def test_weka_files(tmp_path: Path) -> None:
    header = "@relation r\n@attribute a numeric\n@attribute 'b c' {x, y}\n@data\n"
    found = text(tmp_path, header + "1.5,x\n?,y\n2,?\n", "t.arff")
    np.testing.assert_array_equal(found.a, [1.5, np.nan, 2.0])
    assert found["b c"].tolist()[:2] == ["x", "y"]
    assert pd.isna(found["b c"][2])
    with pytest.raises(DataError, match=r"got string in note$"):
        text(tmp_path, "@relation r\n@attribute note string\n@data\n'a'\n", "t.arff")


@pytest.mark.parametrize(
    ("content", "name"),
    [("", "t.csv"), ("a,b\n", "t.csv"), ("{", "t.jsonl"), ("x", "t.arff"),
     ("ARROW1", "t.arrow"), ("x", "t.feather"), ("x", "t.parquet"), (b"\x1f\x8b\x08", "t.csv.gz"),
     (b"\xff\xfe\x00", "t.csv")],
)  # fmt: skip
def test_damaged_files_are_refused_in_one_line(tmp_path: Path, content: Any, name: str) -> None:
    with pytest.raises(DataError, match=r"expected .*, got") as caught:
        text(tmp_path, content, name)
    assert "\n" not in str(caught.value)


def test_a_packed_text_is_not_unpacked_without_a_limit(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected at most 67108864 bytes"):
        text(tmp_path, gzip.compress(b"a\n" + b"1\n" * (34 << 20)), "t.csv.gz")


def test_other_types_are_refused_by_their_name(tmp_path: Path) -> None:
    (tmp_path / "t.xlsx").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"\.csv, .*\.arff, got \.xlsx$"):
        load_file(tmp_path / "t.xlsx")


def test_the_target_is_found_by_its_name_or_is_the_last() -> None:
    assert find_target(["Label", "x"], None) == ("Label", "target: column 'Label', by its name")
    assert find_target(["y", "class", "x"], None)[0] == "class"
    assert find_target(["a", "b"], None) == ("b", "target: column 'b', the last")
    assert find_target(["a", "b"], " a") == ("a", None)
    with pytest.raises(FastMLPError, match=r"^target: expected a column of the table \(a, b\)"):
        find_target(["a", "b"], "c")


def test_sparse_rows_of_svmlight(tmp_path: Path) -> None:
    x = np.tile(np.eye(8)[:, :5] * np.arange(1, 9)[:, None], (2, 1))
    path = tmp_path / "t.svmlight"
    dump_svmlight_file(x, np.arange(16) % 2, str(path))
    data = load_file(path)
    assert data.classes.tolist() == [0, 1]
    assert data.x_train.shape == (12, 5)
    np.testing.assert_array_equal(load_inputs(path).toarray(), x)


@pytest.mark.parametrize(
    ("x", "y"), [("x", "y"), ("X", "Y"), ("data", "labels"), ("arr_0", "arr_1"), ("data", "target")]
)
def test_arrays_by_common_names(tmp_path: Path, x: str, y: str) -> None:
    path = tmp_path / "t.npz"
    np.savez(path, **{x: np.zeros((8, 3)), y: np.arange(8) % 2})
    assert load_file(path).x_train.shape == (6, 3)
    assert load_inputs(path).shape == (8, 3)
    np.savez(path, **{f"{x}_train".upper(): np.zeros((8, 3)), "y_TRAIN": np.arange(8) % 2})
    if x in "xX":
        assert load_file(path).x_train.shape == (8, 3)
    np.savez(path, weights=np.zeros(3), bias=np.zeros(1))
    with pytest.raises(DataError, match=r"got weights, bias$"):
        load_file(path)


def test_emnist_names_and_integer_labels(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (8, 2, 2)).astype(np.uint8)
    for part in ("train", "test"):
        write_idx(tmp_path / f"emnist-letters-{part}-images-idx3-ubyte.gz", images)
        labels = np.arange(8, dtype=np.int32) % 2
        write_idx(tmp_path / f"emnist-letters-{part}-labels-idx1-ubyte.gz", labels)
    data = load_file(tmp_path)
    assert data.x_test.shape == (8, 4)
    assert data.classes.tolist() == [0, 1]
