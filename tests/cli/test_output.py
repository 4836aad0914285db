"""A command's data is a table, records or JSON, in which nothing is cut."""

import io
import json
from datetime import UTC, datetime

import pytest
from rich.console import Console

from cli.output import Facts, Note, Rows, Shown, plain, show
from provisioning.lookup import SigningTenant

ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:provisioner/tenants/nfylumrfecrqilrxtbxz-PTluhm"
JOBS = Rows(("Job", "Status", "Ended"), [("j-1", "succeeded", "now"), ("j-22", "failed", None)])


def printed(*shown: Shown, width: int, is_terminal: bool = True) -> list[str]:
    text = io.StringIO()
    show({}, *shown, as_json=False, out=Console(file=text, width=width, force_terminal=is_terminal, color_system=None))
    return text.getvalue().splitlines()


def test_a_table_that_fits_has_a_line_for_each_row() -> None:
    assert printed(JOBS, width=60) == ["Job   Status     Ended", "j-1   succeeded  now", "j-22  failed"]


def test_a_table_that_does_not_fit_becomes_records() -> None:
    told = printed(JOBS, width=20)
    assert told == ["Job     j-1", "Status  succeeded", "Ended   now", "", "Job     j-22", "Status  failed"]


def test_a_table_in_a_file_has_a_line_for_each_row_at_any_width() -> None:
    assert printed(JOBS, width=20, is_terminal=False)[1] == "j-1   succeeded  now"


@pytest.mark.parametrize("is_terminal", [True, False])
@pytest.mark.parametrize("shown", [Rows(("Secret",), [(ARN,)]), Facts([("Secret", ARN)]), Note(ARN), ARN])
def test_an_arn_is_never_broken(shown: Shown, is_terminal: bool) -> None:
    assert any(line.endswith(ARN) for line in printed(shown, width=60, is_terminal=is_terminal))


def test_a_wide_character_takes_two_columns() -> None:
    assert printed(Rows(("A", "B"), [("\u6771", "x"), ("y", "z")]), width=60) == ["A   B", "\u6771  x", "y   z"]


def test_markup_and_what_a_terminal_would_obey_are_printed_as_text() -> None:
    assert printed(Facts([("Name", "[red]x[/] :bomb: \x1b[2J\n")]), width=60) == [
        "Name  [red]x[/] :bomb: \N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}"
    ]


def test_the_document_is_printed_instead_with_times_and_records(capsys: pytest.CaptureFixture[str]) -> None:
    tenant = SigningTenant("t", None, datetime(2026, 1, 2, tzinfo=UTC))
    show({"tenants": [tenant], "name": "\u6771\udcff"}, JOBS, as_json=True)
    out = capsys.readouterr().out
    assert out.isascii()
    assert json.loads(out) == {
        "tenants": [{"tenant_id": "t", "secret_arn": None, "created_at": "2026-01-02T00:00:00+00:00"}],
        "name": "\u6771\udcff",
    }


def test_what_is_no_record_stays_as_it_is() -> None:
    assert plain({"a": [1, None, True, "x", 1.5]}) == {"a": [1, None, True, "x", 1.5]}
