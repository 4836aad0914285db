"""The services that a tenant is registered with, as one small HTTP server."""

import hmac
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.serving import WSGIRequestHandler

from local.http_server import HttpServer, listen
from local.registration_store import RegistrationStore
from provisioning.stage import Service

TENANT_ID = re.compile(r"[a-z]{20}")
PROJECT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")
CURSOR = re.compile(r"[\x21-\x7e]{1,512}")
PAGE = 1000
"""Of a list of tenants, as many as the contract allows."""
MAXIMUM_BODY_BYTES = 64 * 1024
LARGEST_PORT = 65535
ABSENT = "not registered"
"""What the contract has about a tenant that a service does not know."""
REQUIRED = {
    "tenant_id": str,
    "project_id": str,
    "region": str,
    "organization_id": str,
    "secret_arn": str,
    "database": {"host": str, "port": int, "name": str, "schema": str},
}

Answer = tuple[Response, int]


class RegistrationServices:
    """The services on one port, each under its name and with its own bearer token."""

    def __init__(self, path: Path, tokens: Mapping[str, str], *, address: str = "127.0.0.1", port: int = 0) -> None:
        """Raise HumanError if the port is taken."""
        self.store = RegistrationStore(path)
        self._tokens = tokens
        try:
            self._server = HttpServer(self._application(), listen(address, port), WSGIRequestHandler)
        except BaseException:
            self.store.close()
            raise

    @property
    def port(self) -> int:
        """The TCP port that the services listen on."""
        return int(self._server.port)

    def url(self, service: str) -> str:
        """Return the base URL of a service."""
        return f"{self._server.url}/{service}"

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()
        self.store.close()

    def _application(self) -> Flask:
        application = Flask(__name__)
        application.config["MAX_CONTENT_LENGTH"] = MAXIMUM_BODY_BYTES
        application.register_error_handler(HTTPException, _as_json)
        application.add_url_rule("/<service>/tenants", view_func=self._tenants, methods=["GET"])
        application.add_url_rule(
            "/<service>/tenants/<tenant_id>", view_func=self._tenant, methods=["PUT", "GET", "DELETE"]
        )
        return application

    def _refusal(self, service: str) -> Answer | None:
        if service not in set(Service):
            return _refuse(404, "not found")
        expected = f"Bearer {self._tokens[service]}".encode()
        is_meant = hmac.compare_digest(request.headers.get("Authorization", "").encode(), expected)
        return None if is_meant else _refuse(401, "bad token")

    def _tenants(self, service: str) -> Answer:
        if refusal := self._refusal(service):
            return refusal
        cursor = request.args.get("cursor", "")
        if list(request.args.items(multi=True)) != ([("cursor", cursor)] if CURSOR.fullmatch(cursor) else []):
            return _refuse(422, "the query must be a cursor of this list, or nothing")
        page = self.store.page(service, cursor, PAGE)
        return jsonify({"tenant_ids": page} | ({"next": page[-1]} if len(page) == PAGE else {})), 200

    def _tenant(self, service: str, tenant_id: str) -> Answer:
        if not TENANT_ID.fullmatch(tenant_id):
            return _refuse(404, "not found")
        if refusal := self._refusal(service):
            return refusal
        if request.method == "GET":
            found = self.store.find(service, tenant_id)
            return (jsonify(found[0]), 200) if found else _refuse(404, ABSENT)
        key = request.headers.get("Idempotency-Key", "")
        if not IDEMPOTENCY_KEY.fullmatch(key):
            return _refuse(422, "the header Idempotency-Key must be 1 to 255 visible ASCII characters")
        return (self._put if request.method == "PUT" else self._delete)(service, tenant_id, key)

    def _put(self, service: str, tenant_id: str, key: str) -> Answer:
        try:
            body: Any = request.get_json(silent=True, force=True)
        except RecursionError:
            body = None
        if problem := _problem(body, REQUIRED):
            return _refuse(422, problem)
        if body["tenant_id"] != tenant_id:
            return _refuse(422, "tenant_id differs from the one in the path")
        if not PROJECT_ID.fullmatch(body["project_id"]):
            return _refuse(422, "project_id must be 1 to 64 letters, digits, _ and -")
        status, answer = self.store.register(service, tenant_id, body["project_id"], key, self.url(service))
        return (jsonify(answer), status) if isinstance(answer, dict) else _refuse(status, answer)

    def _delete(self, service: str, tenant_id: str, key: str) -> Answer:
        status = self.store.deregister(service, tenant_id, key)
        if status == 204:
            return Response(status=204), 204
        return _refuse(status, ABSENT if status == 404 else "registered under another idempotency key")


def _problem(value: Any, shape: Any, name: str = "body") -> str | None:
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return f"{name} must be an object"
        problems = (_problem(value.get(field), expected, field) for field, expected in shape.items())
        return next((problem for problem in problems if problem), None)
    if shape is int and isinstance(value, float) and value.is_integer():
        # In JSON Schema 1.0 is an integer.
        value = int(value)
    if shape is int and isinstance(value, int) and value > LARGEST_PORT:
        return f"{name} must be at most {LARGEST_PORT}"
    if not isinstance(value, shape) or isinstance(value, bool) or value in ("", 0) or (shape is int and value < 0):
        return f"{name} must be a {'number' if shape is int else 'text'}"
    return None


def _refuse(status: int, reason: str) -> Answer:
    return jsonify({"error": reason}), status


def _as_json(error: HTTPException) -> Answer:
    answer, status = _refuse(error.code or 500, (error.name or "error").lower())
    if isinstance(error, MethodNotAllowed):
        answer.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
    return answer, status
