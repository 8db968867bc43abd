"""What the operator of a gateway sets."""

from pathlib import Path
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

_MIB: Final = 1024 * 1024
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


class GatewaySettings(BaseModel):
    """One frozen object; `CELLBLOCK_GATEWAY_PORT` sets `port`, and so on for every field."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8194, ge=0, le=65_535, description="Port to listen on; 0 picks a free one.")
    keys: Path | None = Field(default=None, description="File with the keys of those who may call.")
    development: bool = Field(
        default=False,
        description="Take Dify's well-known key `dify-sandbox`, on a loopback address only; for a trial.",
    )
    body_bytes: int = Field(
        default=18 * _MIB, ge=1024, le=256 * _MIB, description="Largest body of a request, in bytes."
    )
    bodies_bytes: int = Field(
        default=256 * _MIB,
        ge=1024,
        description="Bytes of all bodies that are being read at the same time, and 64 for each member and "
        "element in them; beyond it, 503, and 413 where one alone has more.",
    )
    body_s: float = Field(default=60, gt=0, le=3600, description="Seconds in which a body must have arrived.")
    result_bytes: int = Field(
        default=16 * _MIB, ge=1024, le=512 * _MIB, description="Largest Result that is handed out, in bytes."
    )
    wait_s: float = Field(default=300, ge=0, le=3600, description="Longest `wait` of a request, in seconds.")
    dify_wait_s: float = Field(
        default=55,
        gt=0,
        le=3600,
        description="Seconds for which a request of Dify waits; Dify itself gives up after 60.",
    )
    open_waits: int = Field(default=10_000, ge=1, description="Requests that wait for a job at a time.")
    redis_s: float = Field(default=5, gt=0, le=60, description="Seconds that Redis has to answer.")
    drain_s: float = Field(
        default=20, ge=0, le=3600, description="Seconds that open requests have to end at a shutdown."
    )

    @model_validator(mode="after")
    def _check_keys(self) -> Self:
        if self.keys is None and not self.development:
            raise PydanticCustomError(
                "no_keys",
                "there is no key: name a file of keys with --keys (`cellblock gateway key NAME` makes a key) "
                "or take --development for a trial",
            )
        if self.development and self.host not in _LOOPBACK:
            raise PydanticCustomError(
                "development", "development has a key that everybody knows: it listens on loopback only"
            )
        return self
