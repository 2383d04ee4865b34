"""A Hugging Face hub on this machine: one repository, served as the real one serves it."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub:
    """What it holds and what it was asked.

    Attributes:
        repos: Files by name, by repository.
        requests: Method and path of each request.
        status: Of every answer, where not 0.
        code: Error code in the header of such answers (``GatedRepo``, …).
        lie: Bytes given in place of each file's own.
    """

    def __init__(self) -> None:
        self.repos: dict[str, dict[str, bytes]] = {}
        self.requests: list[str] = []
        self.status = 0
        self.code = ""
        self.lie: bytes | None = None
        self.url = ""


@contextmanager
def serving(hub: FakeHub) -> Iterator[FakeHub]:
    """Serve a hub on 127.0.0.1; its ``url`` is what ``HF_ENDPOINT`` takes."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(
            self, status: int, body: bytes, headers: dict[str, str], length: int | None = None
        ) -> None:
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body) if length is None else length))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def do_GET(self) -> None:
            hub.requests.append(f"{self.command} {self.path}")
            if hub.status:
                self.answer(hub.status, b"{}", {"X-Error-Code": hub.code, "X-Error-Message": "no"})
                return
            path = self.path.partition("?")[0].strip("/")
            for repo, files in hub.repos.items():
                if path.startswith(f"api/models/{repo}"):
                    about = {"id": repo, "sha": COMMIT, "siblings": [{"rfilename": name} for name in files]}
                    self.answer(200, json.dumps(about).encode(), {"Content-Type": "application/json"})
                    return
                for name, content in files.items():
                    if path.startswith(f"{repo}/resolve/") and path.endswith(f"/{name}"):
                        tag = hashlib.sha256(content).hexdigest()
                        headers = {"ETag": f'"{tag}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
                        self.answer(200, content if hub.lie is None else hub.lie, headers)
                        return
            self.answer(404, b"{}", {"X-Error-Code": "RepoNotFound", "X-Error-Message": "none"})

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
