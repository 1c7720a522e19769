"""An issuer of tokens with its own key server, on a free port."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Issuer:
    """An issuer.

    Args:
        names_alg: its keys have the member `alg`, which RFC 7517, section 4.4, makes optional.
    """

    def __init__(self, *, names_alg: bool = True) -> None:
        self._names_alg = names_alg
        self.algorithm = "ES256"
        self.keys: dict[str, PrivateKey] = {}
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
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/jwks"

    def public(self) -> list[dict[str, Any]]:
        named = {"alg": self.algorithm} if self._names_alg else {}
        return [{**_as_jwk(key), "kid": kid, **named} for kid, key in self.keys.items()]

    def rotate(self, kid: str, algorithm: str = "ES256") -> None:
        """Replace all keys by one key for this kind of signature."""
        self.algorithm = algorithm
        if algorithm.startswith("ES"):
            self.keys = {kid: ec.generate_private_key(ec.SECP256R1())}
        else:
            self.keys = {kid: rsa.generate_private_key(public_exponent=65_537, key_size=2_048)}

    def token(self, **changes: Any) -> str:
        ((kid, key),) = self.keys.items()
        claims = {"sub": "ada", "iss": "us", "aud": "it", "exp": time.time() + 60, "scope": "process:read", **changes}
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(claims, key, algorithm=self.algorithm, headers={"kid": kid})


def _as_jwk(key: PrivateKey) -> dict[str, Any]:
    if isinstance(key, rsa.RSAPrivateKey):
        return dict(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True))
    return dict(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True))
