"""Columns and bars as numbers: what the SVG of a page is drawn from."""

from decimal import Decimal

import pytest

from homeproductions.office.charts import columns, percent


def drawn(chart):
    return [[(piece.kind, float(piece.y), float(piece.height)) for piece in column.pieces] for column in chart.columns]


def scale(chart):
    return [line.text for line in chart.lines]


def test_pieces_of_a_column_stand_on_each_other():
    chart = columns([("Mon", [("first", 3), ("rest", 1)]), ("Tue", [("first", 0), ("rest", 2)])])

    assert scale(chart) == ["4", "3", "2", "1", "0"]
    assert drawn(chart) == [[("first", 25, 75), ("rest", 0, 25)], [("rest", 50, 50)]]
    assert [(column.label, column.slot, column.x) for column in chart.columns] == [
        ("Mon", 0, "1.5"),
        ("Tue", 10, "11.5"),
    ]
    assert chart.width == 20


def test_what_is_negative_hangs_below_zero():
    chart = columns([("Mon", [("first", Decimal("300.00"))]), ("Tue", [("first", Decimal("-50.00"))])])

    assert scale(chart) == ["300", "200", "100", "0", "-100"]
    assert [line.text for line in chart.lines if line.is_zero] == ["0"]
    assert drawn(chart) == [[("first", 0, 75)], [("first", 75, 12.5)]]


@pytest.mark.parametrize(
    ("highest", "lines"),
    [
        (0, ["1", "0"]),
        (1, ["1", "0"]),
        (5, ["6", "4", "2", "0"]),
        (Decimal("0.40"), ["1", "0"]),
        (Decimal("1990.00"), ["2,000", "1,500", "1,000", "500", "0"]),
        (41, ["60", "40", "20", "0"]),
        (1_000_001, ["1,500,000", "1,000,000", "500,000", "0"]),
    ],
)
def test_lines_have_round_numbers_and_hold_the_highest_column(highest, lines):
    assert scale(columns([("Mon", [("first", highest)])])) == lines


def test_only_losses_leave_room_above_zero():
    chart = columns([("Mon", [("first", -3)])])

    assert scale(chart) == ["1", "0", "-1", "-2", "-3"]
    assert drawn(chart) == [[("first", 25, 75)]]


def test_a_chart_of_nothing_has_a_scale():
    assert scale(columns([])) == ["1", "0"]


@pytest.mark.parametrize(
    ("part", "whole", "width"), [(0, 0, "0.00"), (1, 3, "33.33"), (7, 5, "100.00"), (-1, 5, "0.00")]
)
def test_a_bar_is_filled_by_its_share_and_never_flows_over(part, whole, width):
    assert percent(part, whole) == width
