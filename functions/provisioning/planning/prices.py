"""AWS's prices, as its public pages had them. The one list: plans and docs/cost.md compute with these."""

from typing import NamedTuple

READ_ON = "2026-11-28"
"""When docs/cost.md last took them from the pages."""
REGION = "us-east-1"


class Price(NamedTuple):
    """What AWS charges in US dollars for one of something, and the page that says so."""

    dollars: float
    page: str


TRANSITION = Price(25 / 1_000_000, "AWS Step Functions pricing, Standard Workflows")
INVOCATION = Price(0.20 / 1_000_000, "AWS Lambda pricing, requests")
SECRETS_CALL = Price(0.05 / 10_000, "AWS Secrets Manager pricing, API calls")
SECRET_MONTH = Price(0.40, "AWS Secrets Manager pricing, per secret and month")
