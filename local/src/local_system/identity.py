"""The keys and tokens of a local system with GATEWAY_JWT=on.

They stand in for a shop's identity provider. The keys are generated on first use, in the state folder.
"""

import base64
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from local_system.credentials import write_private

ISSUER = "https://login.localhost"
AUDIENCE = "reserva-estoque"
_KEY_ID = "local-1"
_LOG_KEY_BYTES = 32


@dataclass(frozen=True)
class Issuer:
    """The key that signs tokens, and the key set with which the gateway verifies them.

    jwks: file with the public key (RFC 7517). log_key: for the hash of the subject in the access log.
    """

    key: rsa.RSAPrivateKey
    jwks: Path
    log_key: str

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Creates the missing keys in `folder`: `key.pem` and `log-key` (0600), `jwks.json`."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        pem, jwks, log_key = folder / "key.pem", folder / "jwks.json", folder / "log-key"
        if not pem.exists():
            write_private(pem, _pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)))
        key = serialization.load_pem_private_key(pem.read_bytes(), password=None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise TypeError(f"{pem} has no RSA key")
        if not jwks.exists():
            write_private(jwks, json.dumps({"keys": [public_jwk(key.public_key(), _KEY_ID)]}))
        if not log_key.exists():
            write_private(log_key, secrets.token_hex(_LOG_KEY_BYTES))
        return cls(key, jwks, log_key.read_text(encoding="utf-8"))

    def provider(self) -> dict[str, Any]:
        """This issuer in the form of Envoy's jwt_authn."""
        return {
            "issuer": ISSUER,
            "audiences": [AUDIENCE],
            "require_expiration": True,
            "failed_status_in_metadata": "failure",
            "payload_in_metadata": "sub scope",  # the claims that subject.lua reads
            "clock_skew_seconds": 5,
            "local_jwks": {"filename": str(self.jwks)},
            "from_headers": [
                {"name": "Authorization", "value_prefix": f"{scheme} "} for scheme in ("Bearer", "bearer")
            ],
        }

    def token(self, subject: str, scope: str = "", seconds: int = 3600) -> str:
        """A token for a customer with these space-separated scopes, valid for this time."""
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + seconds}
        return self.signed({**claims, **({"scope": scope} if scope else {})})

    def signed(self, claims: Mapping[str, Any]) -> str:
        """Any claims, signed with RS256 (RFC 7515)."""
        head = {"alg": "RS256", "typ": "JWT", "kid": _KEY_ID}
        text = f"{encoded(json.dumps(head).encode())}.{encoded(json.dumps(claims).encode())}"
        return f"{text}.{encoded(self.key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    def hashed(self, subject: str) -> str:
        """The subject as shown in the gateway's access log."""
        return hmac.new(self.log_key.encode(), subject.encode(), "sha256").hexdigest()[:16]


def public_jwk(key: rsa.RSAPublicKey, key_id: str) -> dict[str, str]:
    """A public key as a JSON Web Key."""
    numbers = key.public_numbers()
    n, e = (encoded(number.to_bytes((number.bit_length() + 7) // 8)) for number in (numbers.n, numbers.e))
    return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": key_id, "n": n, "e": e}


def encoded(data: bytes) -> str:
    """Base64url without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _pem(key: rsa.RSAPrivateKey) -> str:
    encoding, kind = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, kind, serialization.NoEncryption()).decode()
