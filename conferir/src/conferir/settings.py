"""What conferir reads from the environment."""

from datetime import timedelta

from pydantic import Field

from reservaestoque.settings import Duration, PostgresUrl, ProgramSettings


class ConferirSettings(ProgramSettings):
    """`slice_rows` of each table are looked at every `step_interval`, and the orders of the last `recent` each time.

    What could be a matter of time has to stay the same for `grace`; that a reservation has lapsed may be on its way
    to pedidos for `delivery_limit`. What is missing is judged while it is younger than `shortest_retention`, which
    must be shorter than every retention of the two services.
    """

    estoque_database_url: PostgresUrl
    pedidos_database_url: PostgresUrl
    slice_rows: int = Field(default=250, ge=1, le=100_000)
    step_interval: Duration = timedelta(milliseconds=500)
    recent: Duration = timedelta(minutes=2)
    grace: Duration = timedelta(seconds=10)
    delivery_limit: Duration = timedelta(minutes=10)
    shortest_retention: Duration = timedelta(hours=20)
