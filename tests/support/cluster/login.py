"""A shop's login on the cluster: keys that the gateway fetches from it, and tokens signed with them."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from cluster.installation import Installation
from local_system.identity import encoded, public_jwk

ISSUER = "https://login.example"
AUDIENCE = "reserva-estoque"
CACHE_SECONDS = 10
ADDRESS = "http://login.{namespace}.svc:8080/jwks.json"
REPLACE = "import os, sys; open('/keys/new', 'w').write(sys.argv[1]); os.replace('/keys/new', '/keys/jwks.json')"
SERVER = """
apiVersion: v1
kind: Pod
metadata: {{name: login, labels: {{app: login}}}}
spec:
  securityContext: {{runAsNonRoot: true, runAsUser: 10001, seccompProfile: {{type: RuntimeDefault}}}}
  terminationGracePeriodSeconds: 0
  containers:
    - name: login
      image: reservaestoque/conferir:{tag}
      command: [python, -m, http.server, "8080", --directory, /keys]
      securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
      volumeMounts: [{{name: keys, mountPath: /keys}}]
  volumes: [{{name: keys, emptyDir: {{}}}}]
---
apiVersion: v1
kind: Service
metadata: {{name: login}}
spec:
  selector: {{app: login}}
  ports: [{{port: 8080}}]
"""


@dataclass
class Key:
    """A key and its name, `kid`."""

    name: str
    private: rsa.RSAPrivateKey = field(
        default_factory=lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )


class Login:
    """Signs with its last key, once the gateway has had time to fetch it."""

    def __init__(self, installed: Installation) -> None:
        self._installed = installed
        self._keys = [Key("first")]

    def start(self) -> None:
        """Starts the server and publishes the first key."""
        self._installed.kubectl("apply", "-f", "-", stdin=SERVER.format(tag=self._installed.tag))
        self._installed.kubectl("wait", "--for=condition=Ready", "pod/login", "--timeout=60s")
        self._publish(self._keys)

    def stop(self) -> None:
        """Removes the server."""
        self._installed.kubectl("delete", "pod/login", "service/login")

    @property
    def values(self) -> tuple[str, ...]:
        """The values that tell Helm about the login."""
        issuer = "gateway.jwt.issuers.shop"
        sets = {
            "global.jwt.enabled": "true",
            f"{issuer}.issuer": ISSUER,
            f"{issuer}.audiences[0]": AUDIENCE,
            f"{issuer}.jwksUri": ADDRESS.format(namespace=self._installed.namespace),
            f"{issuer}.allowPlainHttp": "true",
            f"{issuer}.cacheSeconds": str(CACHE_SECONDS),
        }
        return tuple(argument for name, value in sets.items() for argument in ("--set", f"{name}={value}"))

    def token(self, subject: str, scope: str = "", key: Key | None = None) -> str:
        """A token that is valid for an hour."""
        key = key or self._keys[-1]
        head = {"alg": "RS256", "typ": "JWT", "kid": key.name}
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "scope": scope, "iat": now, "exp": now + 3600}
        text = ".".join(encoded(json.dumps(part).encode()) for part in (head, claims))
        signature = key.private.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{text}.{encoded(signature)}"

    def rotate(self) -> Key:
        """Publishes a new key beside the old one, signs with it, withdraws the old one, and returns that."""
        [old], new = self._keys, Key("second")
        self._publish([old, new])
        time.sleep(2 * CACHE_SECONDS)
        self._keys = [old, new]
        time.sleep(CACHE_SECONDS)
        self._publish([new])
        time.sleep(2 * CACHE_SECONDS)
        self._keys = [new]
        return old

    def _publish(self, keys: list[Key]) -> None:
        document = json.dumps({"keys": [public_jwk(key.private.public_key(), key.name) for key in keys]})
        self._installed.kubectl("exec", "login", "--", "python", "-c", REPLACE, document)


class Bearer(httpx.Auth):
    """Signs a fresh token of the login for each request."""

    def __init__(self, login: Login, subject: str, scope: str = "") -> None:
        self._login = login
        self._subject = subject
        self._scope = scope

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Response]:  # type: ignore[override]
        request.headers["Authorization"] = f"Bearer {self._login.token(self._subject, self._scope)}"
        yield request  # type: ignore[misc]
