from tests.permission_table import PAGE, page_with, table


def test_the_page_of_permissions_has_what_the_template_grants() -> None:
    """After a change: .venv/bin/python -m tests.permission_table"""
    assert PAGE.read_text() == page_with(table())
