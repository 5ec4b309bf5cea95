from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from evaluators.alphas.markets import ingest
from evaluators.alphas.markets.ingest import import_panel, panel_from_columns, panel_from_frame, read_qlib
from evaluators.alphas.markets.panel import PanelError, digest

pa = pytest.importorskip("pyarrow")
feather = pytest.importorskip("pyarrow.feather")
parquet = pytest.importorskip("pyarrow.parquet")


def long_frame() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    days = pd.bdate_range("2021-03-01", periods=20)
    frame = pd.MultiIndex.from_product([days, ["x1", "x2", "x3"]], names=["date", "symbol"]).to_frame(
        index=False
    )
    close = 10 * np.exp(0.01 * rng.standard_normal(len(frame)))
    frame["open"], frame["close"] = close, close
    frame["high"], frame["low"], frame["volume"] = close * 1.01, close * 0.99, 1000.0
    gone = (frame["symbol"] == "x3") & (frame["date"] > days[14])
    return frame[~gone & ~((frame["symbol"] == "x2") & (frame["date"] == days[4]))]


def columns(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    return {name: frame[name].to_numpy() for name in frame.columns}


def test_every_format_gives_the_same_panel(tmp_path) -> None:
    frame = long_frame()
    table = pa.Table.from_pandas(frame, preserve_index=False)
    frame.to_csv(tmp_path / "a.csv", index=False, float_format="%.17g")
    parquet.write_table(table, tmp_path / "a.parquet")
    feather.write_feather(table, tmp_path / "a.feather")
    indexed = frame.set_index(["date", "symbol"])
    parquet.write_table(pa.Table.from_pandas(indexed), tmp_path / "indexed.parquet")
    want = panel_from_columns(columns(frame))
    assert want.shape == (20, 3)
    assert np.isnan(want.close[4, 1])
    assert np.isnan(want.close[15:, 2]).all()
    assert not want.universe[15:, 2].any()
    found = [import_panel(tmp_path / name) for name in ("a.csv", "a.parquet", "a.feather", "indexed.parquet")]
    found += [panel_from_frame(frame), panel_from_frame(indexed), panel_from_frame(indexed.swaplevel())]
    assert {digest(panel) for panel in found} == {digest(want)}


def test_dates_may_be_whole_numbers() -> None:
    frame = long_frame()
    frame["date"] = frame["date"].dt.strftime("%Y%m%d").astype(int)
    assert digest(panel_from_columns(columns(frame))) == digest(panel_from_columns(columns(long_frame())))


def test_unsorted_and_duplicated_rows_are_refused() -> None:
    frame = long_frame()
    mixed = frame.iloc[[3, 0, 1, 2, *range(4, len(frame))]]
    with pytest.raises(PanelError, match=r"sorted by date, 'x1' on 2021-03-01 \(row 1\).*sort=True"):
        panel_from_columns(columns(mixed))
    assert digest(panel_from_columns(columns(mixed), sort=True)) == digest(panel_from_columns(columns(frame)))
    twice = pd.concat([frame, frame.iloc[[5]]])
    with pytest.raises(PanelError, match=r"is duplicated \(row 54"):
        panel_from_columns(columns(twice), sort=True)


def test_missing_and_textual_columns_are_named() -> None:
    frame = long_frame()
    with pytest.raises(PanelError, match=r"'close' is missing.*rename 'closee'"):
        panel_from_columns(columns(frame.rename(columns={"close": "closee"})))
    with pytest.raises(PanelError, match="a column 'symbol'"):
        panel_from_columns(columns(frame.drop(columns="symbol")))
    with pytest.raises(PanelError, match="column 'sector' must be numeric"):
        panel_from_columns(columns(frame.assign(sector="bank")))
    with pytest.raises(PanelError, match="dates must look like"):
        panel_from_columns(columns(frame.assign(date="yesterday")))


def test_adjustment_and_membership_columns_are_applied() -> None:
    frame = long_frame()
    split = np.where(frame["date"] >= "2021-03-10", 2.0, 1.0)
    raw = frame.assign(adj_factor=split, volume=frame["volume"] * split)
    for name in ("open", "high", "low", "close"):
        raw[name] = frame[name] / split
    raw["in_universe"] = (frame["symbol"] != "x1").astype(int)
    panel = panel_from_columns(columns(raw))
    want = panel_from_columns(columns(frame))
    np.testing.assert_allclose(panel.close, want.close, rtol=1e-6)
    np.testing.assert_allclose(panel.fields["volume"], want.fields["volume"], rtol=1e-6)
    assert not panel.universe[:, 0].any()
    assert panel.universe[0, 1]


def test_qlib_folders_are_read_without_qlib(tmp_path) -> None:
    days = np.arange("2020-01-01", "2020-01-11", dtype="datetime64[D]")
    (tmp_path / "calendars").mkdir()
    (tmp_path / "calendars" / "day.txt").write_text("\n".join(map(str, days)) + "\n")
    (tmp_path / "instruments").mkdir()
    spans = "SH600000\t2020-01-01\t2020-01-10\nSZ000001\t2020-01-03\t2020-01-06\n"
    (tmp_path / "instruments" / "all.txt").write_text(spans)
    for symbol, first, count in (("sh600000", 0, 10), ("sz000001", 2, 4)):
        home = tmp_path / "features" / symbol
        home.mkdir(parents=True)
        close = 5 + np.arange(count) * 0.1
        stored = {
            "open": close,
            "high": close + 0.1,
            "low": close - 0.1,
            "close": close,
            "volume": close * 0 + 9,
        }
        for name, values in stored.items():
            np.concatenate([[first], values]).astype("<f4").tofile(home / f"{name}.day.bin")
    panel = import_panel(tmp_path)
    assert panel.symbols == ("SH600000", "SZ000001")
    assert panel.close[2, 1] == np.float32(5.0)
    assert np.isnan(panel.close[6:, 1]).all()
    np.testing.assert_array_equal(panel.universe[:, 1], [False] * 2 + [True] * 4 + [False] * 4)
    with pytest.raises(PanelError, match=r"csi300\.txt"):
        read_qlib(tmp_path, universe="csi300")
    np.concatenate([[8], np.ones(4)]).astype("<f4").tofile(tmp_path / "features/sz000001/close.day.bin")
    with pytest.raises(PanelError, match="4 days from 8, the calendar only 10"):
        import_panel(tmp_path)


def test_unreadable_sources_say_what_they_should_be(tmp_path, monkeypatch) -> None:
    with pytest.raises(PanelError, match="does not exist"):
        import_panel(tmp_path / "none.csv")
    (tmp_path / "a.xlsx").write_text("x")
    with pytest.raises(PanelError, match=r"must end in \.csv"):
        import_panel(tmp_path / "a.xlsx")
    (tmp_path / "a.parquet").write_text("not parquet")
    with pytest.raises(PanelError, match="not a readable parquet"):
        import_panel(tmp_path / "a.parquet")

    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(ingest.importlib, "import_module", absent)
    with pytest.raises(PanelError, match=r"code-discovery\[alphas\]"):
        import_panel(tmp_path / "a.parquet")
