"""What conferir reads from the environment."""

from datetime import timedelta

from pydantic import Field, ValidationInfo, field_validator

from reservaestoque.settings import Duration, PostgresUrl, ProgramSettings
from reservaestoque.tls import CaFile, trusting_postgres


class ConferirSettings(ProgramSettings):
    """`slice_rows` of each table are looked at every `step_interval`, and the orders of the last `recent` each time.

    What could be a matter of time has to stay the same for `grace`; that a reservation has lapsed may be on its way
    to pedidos for `delivery_limit`. What is missing is judged while it is younger than `shortest_retention`, which
    must be shorter than every retention of the two services. With `…_database_ca_file`, the authority is part of that
    database's URL.
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
    def _databases_are_checked(cls, url: str, info: ValidationInfo) -> str:
        authority = f"{str(info.field_name).removesuffix('url')}ca_file"
        return trusting_postgres(url, info.data.get(authority))
