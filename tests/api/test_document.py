"""docs/openapi.json is the document of the HTTP API that this tree has."""

import json

from api.routes import ROUTES
from tests.api.document import DOCUMENT, written


def test_the_published_document_is_that_of_the_routes() -> None:
    assert DOCUMENT.read_text() == written(), "run .venv/bin/python -m tests.api.document"


def test_the_document_has_every_route_and_each_of_its_problems() -> None:
    document = json.loads(DOCUMENT.read_text())
    found = {
        f"{method.upper()} {path}": one
        for path, of_path in document["paths"].items()
        for method, one in of_path.items()
    }
    assert set(found) == {route.key for route in ROUTES}
    for route in ROUTES:
        assert set(found[route.key]["responses"]) == {
            str(one) for one in {route.status, *route.problems, 400, 500, 503}
        }


def test_every_problem_is_of_the_media_type_of_problems() -> None:
    for path in json.loads(DOCUMENT.read_text())["paths"].values():
        for operation in path.values():
            for status, answer in operation["responses"].items():
                (media_type,) = answer["content"]
                assert media_type == ("application/json" if status < "300" else "application/problem+json")
