"""Keys of those who may call the gateway: who has one, for which tenant, for what, and how much.

The file holds SHA-256 digests. A key is 256 random bits, so a digest cannot be guessed back, salted or not.
"""

import hashlib
import hmac
import json
import secrets
from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..keys import DEFAULT_TENANT, TENANT_PATTERN

DIFYS_KEY: Final = "dify-sandbox"
"""What Dify sends unless it is told otherwise; everybody knows it."""
SHORTEST: Final = 16
_PREFIX: Final = "cbk_"


class KeysError(ValueError):
    """A file of keys cannot be used; the message says why and holds no key."""


class Scope(StrEnum):
    """What a key is good for."""

    SUBMIT = "submit"  # POST /v1/jobs and /v1/jobs:batch
    READ = "read"  # GET /v1/jobs/{id}
    CANCEL = "cancel"  # DELETE /v1/jobs/{id}
    CHECK = "check"  # POST /v1/check
    SANDBOX = "sandbox"  # Dify's API, /v1/sandbox/...
    REPLY = "reply"  # jobs with a `reply`, which has the workers send something somewhere


USUAL: Final = frozenset(Scope) - {Scope.REPLY}
"""What a key is good for where nothing is said."""


class Key(BaseModel):
    """One key, as the file has it."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str = Field(pattern=TENANT_PATTERN, description="What logs call it.")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", repr=False, description="SHA-256 of the key, in hex.")
    tenant: str = Field(
        default=DEFAULT_TENANT, pattern=TENANT_PATTERN, description="Whose jobs its jobs are."
    )
    scopes: frozenset[Scope] = Field(default=USUAL, description="What it is good for.")
    jobs_per_minute: int | None = Field(
        default=None, ge=1, description="Jobs submitted within a minute, over all gateways of a Redis."
    )
    open_waits: int | None = Field(
        default=None, ge=1, description="Requests that wait at a time, at each gateway."
    )


class KeyFile(BaseModel):
    """The file: `{"keys": [...]}`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    keys: tuple[Key, ...] = Field(min_length=1)


class KeyRing:
    """The keys of a gateway."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._keys = [(bytes.fromhex(key.sha256), key) for key in keys]
        named = Counter(key.name for _, key in self._keys)
        if doubled := [name for name, times in named.items() if times > 1]:
            raise KeysError(f"two keys have the name {doubled[0]}")

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read a file of keys. Raises KeysError."""
        try:
            return cls(KeyFile.model_validate_json(file.read_bytes()).keys)
        except OSError as error:
            raise KeysError(f"the file of keys {file} cannot be read: {error.strerror}") from None
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            raise KeysError(f"the file of keys {file} is not valid: {place} {first['msg']}".strip()) from None

    @classmethod
    def development(cls) -> Self:
        """Return the ring of a trial: the one key that everybody knows."""
        return cls([Key(name="development", sha256=_digest(DIFYS_KEY).hex())])

    def find(self, secret: str) -> Key | None:
        """Return the key that `secret` is, if it is one.

        Looks at all of them, each in constant time: how long it takes says nothing of how near a guess was.
        """
        digest = _digest(secret)
        found = None
        for known, key in self._keys:
            if hmac.compare_digest(digest, known):
                found = key
        return found


def new_secret() -> str:
    """Return a new key."""
    return _PREFIX + secrets.token_urlsafe(32)


def make_key(secret: str, name: str, tenant: str, scopes: Iterable[Scope] = ()) -> Key:
    """Return the file's entry of a key; no scopes mean the usual. Raises KeysError if it can be guessed."""
    if secret == DIFYS_KEY or len(secret) < SHORTEST:
        raise KeysError(f"everybody knows or can guess this key: choose one of {SHORTEST} characters or more")
    try:
        return Key(
            name=name,
            sha256=_digest(secret).hex(),
            tenant=tenant,
            scopes=frozenset(scopes) or USUAL,
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise KeysError(f"{first['loc'][0]}: {first['msg']}") from None


def entry_of(key: Key) -> str:
    """Return the key as it is written into the file."""
    said = key.model_dump(mode="json", exclude_none=True)
    return json.dumps({**said, "scopes": sorted(said["scopes"])})


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()
