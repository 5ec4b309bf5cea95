from __future__ import annotations

import numpy as np
import pytest

from evaluators.alphas.markets.panel import (
    PanelError,
    check_panel,
    daily_returns,
    digest,
    load_panel,
    make_panel,
    panel_warnings,
    save_panel,
)

DATES = np.arange("2020-01-01", "2020-01-07", dtype="datetime64[D]")


def small_fields() -> dict[str, np.ndarray]:
    close = np.linspace(10, 12, 18).reshape(6, 3)
    close[4:, 2] = np.nan
    return {
        "open": close,
        "high": close * 1.01,
        "low": close * 0.99,
        "close": close,
        "volume": np.where(np.isfinite(close), 100.0, np.nan),
    }


def panel_of(**changes):
    return make_panel(
        changes.pop("dates", DATES),
        changes.pop("symbols", ["a", "b", "c"]),
        {**small_fields(), **changes.pop("fields", {})},
        **changes,
    )


def test_arrays_are_canonical_and_masks_default_to_what_is_known() -> None:
    panel = panel_of()
    assert panel.shape == (6, 3)
    assert all(v.dtype == np.float32 and v.flags.c_contiguous for v in panel.fields.values())
    assert panel.universe[:4].all()
    assert not panel.universe[4:, 2].any()
    fields = small_fields()
    fields["volume"][0, 0] = 0
    assert not panel_of(fields=fields).tradable[0, 0]
    assert panel_of(fields=fields).universe[0, 0]


def test_a_panel_survives_the_disk_as_read_only_maps(tmp_path) -> None:
    panel = panel_of(fields={"vwap": small_fields()["close"]})
    again = load_panel(save_panel(panel, tmp_path / "p"))
    assert isinstance(again.close, np.memmap)
    assert digest(again) == digest(panel)
    assert again.symbols == panel.symbols
    with pytest.raises(ValueError, match="read-only"):
        again.close[0, 0] = 1
    other = small_fields()
    other["close"] = other["close"] * 1.001
    assert digest(panel_of(fields=other)) != digest(panel)


def test_saving_refuses_a_folder_with_other_things(tmp_path) -> None:
    (tmp_path / "precious.txt").write_text("x")
    with pytest.raises(PanelError, match="must be empty or hold a panel"):
        save_panel(panel_of(), tmp_path)
    with pytest.raises(PanelError, match="no readable panel"):
        load_panel(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f["close"].__setitem__((2, 1), -1.0), r"close must be > 0, got -1 for 'b' on 2020-01-03"),
        (lambda f: f["low"].__setitem__((2, 1), 99.0), r"high must be >= low"),
        (lambda f: f["volume"].__setitem__((0, 0), -5.0), r"volume must be >= 0, got -5 for 'a'"),
        (lambda f: f["close"].__setitem__((3, 0), 30.0), r"\|daily return\| must be <= 0.5"),
        (lambda f: f["open"].__setitem__((3, 0), np.inf), r"open must be finite or NaN"),
        (lambda f: f["close"].__setitem__((slice(None), 1), np.nan), r"close of 'b' is NaN on every date"),
        (lambda f: f["open"].fill(np.nan), r"field 'open' is all NaN"),
        (lambda f: f.__setitem__("open", f["open"][1:]), r"field 'open' must have shape \(T, N\) = \(6, 3\)"),
        (lambda f: f.pop("volume"), r"missing: volume"),
        (lambda f: f.__setitem__("a b", f["open"]), r"field names must be identifiers"),
    ],
)
def test_broken_fields_are_refused_with_the_place_and_the_remedy(change, message) -> None:
    fields = {name: values.copy() for name, values in small_fields().items()}
    change(fields)
    with pytest.raises(PanelError, match=message):
        make_panel(DATES, ["a", "b", "c"], fields)


def test_a_jump_may_be_allowed() -> None:
    fields = {name: values.copy() for name, values in small_fields().items()}
    for name in ("open", "high", "low", "close"):
        fields[name][3:, 0] *= 2
    with pytest.raises(PanelError, match="adjust for splits"):
        make_panel(DATES, ["a", "b", "c"], fields)
    assert make_panel(DATES, ["a", "b", "c"], fields, max_jump=None).close[3, 0] > 20


@pytest.mark.parametrize(
    ("dates", "message"),
    [
        (DATES[[0, 1, 3, 2, 4, 5]], "dates must increase, got 2020-01-03 after 2020-01-04; sort"),
        (DATES[[0, 1, 1, 2, 3, 4]], "2020-01-02 is duplicated"),
        (np.array(["2020-01-01", "NaT", *DATES[2:].astype(str)], dtype="datetime64[D]"), "NaT at row 1"),
    ],
)
def test_bad_dates_are_refused(dates, message) -> None:
    with pytest.raises(PanelError, match=message):
        panel_of(dates=dates)


def test_bad_symbols_and_masks_are_refused() -> None:
    with pytest.raises(PanelError, match="'a' is duplicated"):
        panel_of(symbols=["a", "b", "a"])
    with pytest.raises(PanelError, match="universe must have shape"):
        panel_of(universe=np.ones((3, 3), bool))
    with pytest.raises(PanelError, match="only true and false"):
        panel_of(tradable=np.full((6, 3), 2))
    with pytest.raises(PanelError, match="at least 2 dates"):
        check_panel(panel_of().rows(0, 1))


def test_survivors_only_is_a_warning() -> None:
    assert not any("survivors" in text for text in panel_warnings(panel_of()))
    fields = small_fields()
    full = {name: np.where(np.isfinite(v), v, 11.0) for name, v in fields.items()}
    full["high"], full["low"] = full["close"] * 1.01, full["close"] * 0.99
    assert any("survivors only" in text for text in panel_warnings(panel_of(fields=full)))
    assert any(
        "filled forward" in text
        for text in panel_warnings(
            panel_of(
                fields={
                    "close": np.full((6, 3), 10.5),
                    "high": np.full((6, 3), 11.0),
                    "low": np.full((6, 3), 10.0),
                }
            )
        )
    )


def test_returns_are_missing_beside_gaps() -> None:
    close = np.array([[1.0], [2.0], [np.nan], [3.0], [6.0]])
    np.testing.assert_array_equal(daily_returns(close)[:, 0], [np.nan, 1.0, np.nan, np.nan, 1.0])
