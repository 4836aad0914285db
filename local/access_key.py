"""The stack's own access key: random, made at its first start, and in a file that only its owner can read."""

import configparser
import os
import secrets
import string
from dataclasses import dataclass, field
from pathlib import Path

from local import state
from local.errors import Unusable

PROFILE = "laptop"
"""The AWS CLI's name for it. With --profile that CLI ignores the user's own keys in the environment."""

LETTERS = string.ascii_uppercase + "234567"


@dataclass(frozen=True)
class AccessKey:
    """An access key of AWS's form. Its secret is not in its repr."""

    key_id: str
    secret: str = field(repr=False)

    @classmethod
    def of_environment(cls) -> "AccessKey":
        """Return the key that this process uses for AWS, which is the stack's once it has been connected to it."""
        return cls(os.environ.get("AWS_ACCESS_KEY_ID", ""), os.environ.get("AWS_SECRET_ACCESS_KEY", ""))

    def environment(self) -> dict[str, str]:
        """Return the variables that give it to every AWS client."""
        return {"AWS_ACCESS_KEY_ID": self.key_id, "AWS_SECRET_ACCESS_KEY": self.secret}


def credentials_file(state_directory: Path) -> Path:
    """Return the path of the file, which has the form of the AWS CLI's own."""
    return state_directory / "credentials"


def ensure(state_directory: Path) -> AccessKey:
    """Return the stack's key, making it at the first start. Raise HumanError if the file is damaged."""
    path = credentials_file(state_directory)
    if path.exists():
        return read(state_directory)
    key = AccessKey("AKIA" + "".join(secrets.choice(LETTERS) for _ in range(16)), secrets.token_urlsafe(30))
    beside = path.with_suffix(".new")
    with state.create(beside) as file:
        file.write(f"[{PROFILE}]\naws_access_key_id = {key.key_id}\naws_secret_access_key = {key.secret}\n")
    beside.replace(path)
    return key


def read(state_directory: Path) -> AccessKey:
    """Return the key of a stack that has been started. Raise HumanError if the file is missing or damaged."""
    path = credentials_file(state_directory)
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
        return AccessKey(parser[PROFILE]["aws_access_key_id"], parser[PROFILE]["aws_secret_access_key"])
    except (FileNotFoundError, KeyError, ValueError, configparser.Error):
        raise Unusable(f"{path} is not the stack's access key: remove it and start the stack again") from None
