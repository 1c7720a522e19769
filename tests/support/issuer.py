"""An issuer of tokens with a key server of its own, on a free port."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec


class Issuer:
    """An issuer. `names_alg`: whether its keys say which algorithm they are for, which RFC 7517, 4.4, leaves open."""

    def __init__(self, *, names_alg: bool = True) -> None:
        self._alg = {"alg": "ES256"} if names_alg else {}
        self.keys: dict[str, ec.EllipticCurvePrivateKey] = {}
        self.fetches = 0
        self.away = False
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.fetches += 1
                content = json.dumps({"keys": issuer.public()}).encode()
                self.send_response(503 if issuer.away else 200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/jwks"

    def public(self) -> list[dict[str, Any]]:
        algorithm = jwt.algorithms.ECAlgorithm
        return [
            {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, **self._alg}
            for kid, key in self.keys.items()
        ]

    def rotate(self, kid: str) -> None:
        self.keys = {kid: ec.generate_private_key(ec.SECP256R1())}

    def token(self, **changes: Any) -> str:
        ((kid, key),) = self.keys.items()
        claims = {"sub": "ada", "iss": "us", "aud": "it", "exp": time.time() + 60, "scope": "process:read", **changes}
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(claims, key, algorithm="ES256", headers={"kid": kid})
