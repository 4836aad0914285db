import pytest

from provisioning.errors import Misconfigured
from provisioning.services.client import ServiceClient
from provisioning.stage import Service


@pytest.fixture(autouse=True)
def _production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALLOW_PLAIN_HTTP", raising=False)


def client_at(monkeypatch: pytest.MonkeyPatch, url: str) -> ServiceClient:
    monkeypatch.setenv("AUTH_SERVICE_URL", url)
    return ServiceClient(Service.AUTH)


@pytest.mark.parametrize(
    "url",
    [
        *("https://auth.example.com", "https://auth.example.com/", "https://auth.example.com:8443/v1/registrations"),
        *("HTTPS://AUTH.example.com", "https://10.0.3.4", "https://[2001:db8::1]:8443"),
    ],
)
def test_an_https_url_is_accepted(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    client_at(monkeypatch, url)


@pytest.mark.parametrize("allowed", [None, "", "false", "1", "TRUE", "yes"])
def test_plain_http_is_refused_unless_it_is_allowed(monkeypatch: pytest.MonkeyPatch, allowed: str | None) -> None:
    if allowed is not None:
        monkeypatch.setenv("ALLOW_PLAIN_HTTP", allowed)
    with pytest.raises(Misconfigured):
        client_at(monkeypatch, "http://127.0.0.1:8080")


def test_plain_http_is_accepted_where_it_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOW_PLAIN_HTTP", "true")
    client_at(monkeypatch, "http://127.0.0.1:8080")


@pytest.mark.parametrize("plain_http", ["", "true"])
@pytest.mark.parametrize(
    "url",
    [
        *("auth.example.com", "//auth.example.com", "https://", "https:///v1", "/v1", "https:auth.example.com", "null"),
        *("ftp://auth.example.com", "file:///etc/passwd", "unix:/var/run/docker.sock", "javascript:alert(1)"),
        *("https://user@auth.example.com", "https://user:s3cr3t@auth.example.com", "https://auth.example.com/?a=b"),
        pytest.param("https://:s3cr3t@auth.example.com", id="a password without a user"),
        pytest.param("https://auth.example.com/#", id="an empty fragment"),
        pytest.param("https://auth.example.com/v1#tenants", id="a fragment"),
    ],
)
def test_what_is_no_plain_address_of_a_service_is_refused(
    monkeypatch: pytest.MonkeyPatch, url: str, plain_http: str
) -> None:
    monkeypatch.setenv("ALLOW_PLAIN_HTTP", plain_http)
    with pytest.raises(Misconfigured) as refused:
        client_at(monkeypatch, url)
    assert "s3cr3t" not in str(refused.value)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    "host",
    [
        *("169.254.169.254", "169.254.170.2", "169.254.0.1", "169.254.169.254:80", "224.0.0.1"),
        pytest.param("0.0.0.0", id="this machine"),  # noqa: S104 (nothing is bound)
        *("[fe80::1]", "[fe80::a9fe:a9fe%25eth0]", "[::]", "[ff02::1]"),
        pytest.param("[fd00:ec2::254]", id="the IPv6 metadata address"),
        pytest.param("[::ffff:169.254.169.254]", id="IPv4 within IPv6"),
        pytest.param("2852039166", id="one decimal number"),
        pytest.param("0xA9FEA9FE", id="one hexadecimal number"),
        pytest.param("169.254.43518", id="three numbers"),
        pytest.param("0251.0376.0251.0376", id="octal numbers"),
        pytest.param("169.254.169.254.", id="a dot at the end"),
    ],
)
def test_a_link_local_or_metadata_address_is_refused(monkeypatch: pytest.MonkeyPatch, scheme: str, host: str) -> None:
    monkeypatch.setenv("ALLOW_PLAIN_HTTP", "true")
    with pytest.raises(Misconfigured):
        client_at(monkeypatch, f"{scheme}://{host}/latest/meta-data")


@pytest.mark.parametrize(
    "url", ["https://[::1", "https://auth.example.com:99999", "https://auth.example.com:x", "https://auth example.com"]
)
def test_an_unreadable_url_is_a_mistake_in_the_settings(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    with pytest.raises(Misconfigured):
        client_at(monkeypatch, url)


@pytest.mark.parametrize("service", Service)
def test_a_service_without_a_url_is_a_mistake_that_names_the_setting(
    monkeypatch: pytest.MonkeyPatch, service: Service
) -> None:
    setting = f"{service.name}_SERVICE_URL"
    monkeypatch.delenv(setting, raising=False)
    with pytest.raises(Misconfigured, match=setting):
        ServiceClient(service)
