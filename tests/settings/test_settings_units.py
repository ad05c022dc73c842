from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from monitor.settings.units import Duration, Size, between


class Limits(BaseModel):
    hold: Annotated[Duration, between("1s", "1h")] = Duration(60)
    body: Annotated[Size, between("1KiB", "1MiB")] = Size(1024)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("90s", 90), ("5m", 300), ("6h", 21_600), ("14d", 1_209_600), ("1h30m", 5_400), ("0s", 0)],
)
def test_reads_durations_as_seconds(text: str, seconds: float) -> None:
    assert Duration.parse(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "5", "5 m", "-5m", "5M", "1.5h", "30m1h", "5m5m", "1w", "٣s", "1e3s", "10000000000s", "5m\n", "∞s"]
)
def test_refuses_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="whole numbers with a unit"):
        Duration.parse(text)


@pytest.mark.parametrize(("text", "size"), [("0B", 0), ("512KiB", 1 << 19), ("16MiB", 1 << 24), ("2GiB", 1 << 31)])
def test_reads_sizes_as_bytes(text: str, size: int) -> None:
    assert Size.parse(text) == size


@pytest.mark.parametrize("text", ["", "16", "16MB", "16 MiB", "1.5GiB", "-1B", "16mib", "16MiB "])
def test_refuses_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="whole number with a unit"):
        Size.parse(text)


@given(st.integers(min_value=0, max_value=400 * 86_400_000))
def test_a_duration_prints_as_what_it_parses_from(milliseconds: int) -> None:
    assert Duration.parse(str(Duration(milliseconds / 1000))) == pytest.approx(milliseconds / 1000, abs=1e-9)


@given(st.integers(min_value=0, max_value=999_999_999))
def test_a_size_prints_as_what_it_parses_from(size: int) -> None:
    assert Size.parse(str(Size(size))) == size


@given(st.integers(min_value=0, max_value=999), st.sampled_from(["KiB", "MiB", "GiB", "TiB"]))
def test_a_size_prints_in_the_largest_unit_that_fits(count: int, unit: str) -> None:
    assert Size.parse(str(Size.parse(f"{count}{unit}"))) == Size.parse(f"{count}{unit}")
    assert len(str(Size.parse(f"{count}{unit}"))) <= len(f"{count}{unit}")


def test_a_duration_is_a_number_of_seconds() -> None:
    assert Duration.parse("1m") + 1 == 61
    assert repr(Duration.parse("90s")) == "Duration('1m30s')"


@pytest.mark.parametrize("value", [5, 5.0, True, None, ["5m"], "five"])
def test_a_setting_needs_the_unit(value: object) -> None:
    with pytest.raises(ValidationError):
        Limits.model_validate({"hold": value})


@pytest.mark.parametrize(("value", "fits"), [("999ms", False), ("1s", True), ("1h", True), ("61m", False)])
def test_both_ends_of_a_bound_are_allowed(value: str, *, fits: bool) -> None:
    if fits:
        assert str(Limits.model_validate({"hold": value}).hold) == value
    else:
        with pytest.raises(ValidationError, match="must be 1s to 1h"):
            Limits.model_validate({"hold": value})


def test_a_size_is_bounded_too() -> None:
    with pytest.raises(ValidationError, match="must be 1KiB to 1MiB"):
        Limits.model_validate({"body": "2MiB"})
