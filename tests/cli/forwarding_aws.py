"""An `aws` that does what `aws ssm start-session` does with Session Manager's plugin: it forwards a local port.

It writes down how it was called, in called.json of the first directory on the PATH.
"""

import json
import os
import socket
import sys
import threading
from pathlib import Path


def main() -> None:
    arguments = sys.argv[1:]
    options = dict(zip(arguments[2::2], arguments[3::2], strict=True))
    said = json.loads(options["--parameters"])
    called = {
        "arguments": arguments,
        "parameters": said,
        "pid": os.getpid(),
        "has_credentials": {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"} <= os.environ.keys(),
    }
    (Path(os.environ["PATH"].split(os.pathsep)[0]) / "called.json").write_text(json.dumps(called))
    if options["--target"] == "i-gone":
        print("\nAn error occurred (TargetNotConnected) when calling the StartSession operation", file=sys.stderr)
        sys.exit(254)
    listening = socket.create_server(("127.0.0.1", int(said["localPortNumber"][0])))
    while True:
        near, _ = listening.accept()
        far = socket.create_connection((said["host"][0], int(said["portNumber"][0])))
        for source, target in ((near, far), (far, near)):
            threading.Thread(target=copy, args=(source, target), daemon=True).start()


def copy(source: socket.socket, target: socket.socket) -> None:
    while content := source.recv(65536):
        target.sendall(content)
    target.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    main()
