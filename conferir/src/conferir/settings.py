"""Settings from the environment."""

from datetime import timedelta

from pydantic import Field, ValidationInfo, field_validator

from reservaestoque.settings import Duration, PostgresUrl, ProgramSettings
from reservaestoque.tls import CaFile, trusting_postgres


class ConferirSettings(ProgramSettings):
    """Every `step_interval` the audit checks `slice_rows` rows of each table and the orders younger than `recent`.

    A difference that timing could explain must persist for `grace`; an expiry notice may take `delivery_limit` to
    reach pedidos. A missing row is a violation while it is younger than `shortest_retention`, which must be shorter
    than every retention of the two services. With `…_database_ca_file`, the certificate authority becomes part of
    that database's URL.
    """

    estoque_database_ca_file: CaFile | None = None
    pedidos_database_ca_file: CaFile | None = None
    estoque_database_url: PostgresUrl
    pedidos_database_url: PostgresUrl
    slice_rows: int = Field(default=250, ge=1, le=100_000)
    step_interval: Duration = timedelta(milliseconds=500)
    recent: Duration = timedelta(minutes=2)
    grace: Duration = timedelta(seconds=10)
    delivery_limit: Duration = timedelta(minutes=10)
    shortest_retention: Duration = timedelta(hours=20)

    @field_validator("estoque_database_url", "pedidos_database_url")
    @classmethod
    def _trust_ca_file(cls, url: str, info: ValidationInfo) -> str:
        authority = f"{str(info.field_name).removesuffix('url')}ca_file"
        return trusting_postgres(url, info.data.get(authority))
