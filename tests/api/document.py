"""The OpenAPI document of the HTTP API: `python -m tests.api.document` writes it into docs/, as `make build` does."""

import json
from typing import Any

from api import application
from api.routes import ROUTES
from api.starting import OWNERS
from local.template import REPOSITORY
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.rules import read_schema

DOCUMENT = REPOSITORY / "docs" / "openapi.json"
VERSION = "1"
TITLE = "Provisioner"
DESCRIPTION = "Projects and their jobs, for operators and the platform's back end. docs/api.md describes it."
SIGNATURE = {
    "type": "apiKey",
    "name": "Authorization",
    "in": "header",
    "description": "Signature Version 4, for the service execute-api.",
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-authtype.html
    "x-amazon-apigateway-authtype": "awsSigv4",
}
PAYLOAD = "ProvisionProjectPayload"


def document() -> dict[str, Any]:
    """Return the document, with the payload's own schema for the body of a new project."""
    made: dict[str, Any] = json.loads(
        application.make(ROUTES).get_openapi_json_schema(
            title=TITLE, version=VERSION, openapi_version="3.1.0", description=DESCRIPTION
        )
    )
    found = {"openapi": made["openapi"], "info": made["info"], "paths": {}, "components": made["components"]}
    for route in ROUTES:
        operation = made["paths"][route.path][route.method.lower()]
        if 422 not in route.problems:
            # Powertools' own answer to a parameter that breaks rules, for which this API has 400.
            del operation["responses"]["422"]
        operation["responses"] = dict(sorted(operation["responses"].items()))
        found["paths"].setdefault(route.path, {})[route.method.lower()] = operation
    schemas = found["components"]["schemas"]
    for unused in ("HTTPValidationError", "ResponseValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas |= _payload()
    body = found["paths"]["/v1/projects"]["post"]["requestBody"]["content"]["application/json"]
    body["schema"] = {"allOf": [{"$ref": f"#/components/schemas/{PAYLOAD}"}, {"required": list(OWNERS)}]}
    found["components"]["securitySchemes"] = {"signature": SIGNATURE}
    found["security"] = [{"signature": []}]
    return found


def _payload() -> dict[str, Any]:
    text = json.dumps(read_schema(PROVISION_PROJECT.schema)).replace(
        "#/definitions/", f"#/components/schemas/{PAYLOAD}."
    )
    schema = json.loads(text)
    del schema["$schema"]
    return {PAYLOAD: schema, **{f"{PAYLOAD}.{name}": one for name, one in schema.pop("definitions").items()}}


def written() -> str:
    """Return the document as its file has it."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    DOCUMENT.write_text(written())
