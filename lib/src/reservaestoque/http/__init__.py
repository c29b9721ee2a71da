"""HTTP: the answers that both services share, such as problems, health and metrics."""

from reservaestoque.http.app import service_app
from reservaestoque.http.body import JsonBody
from reservaestoque.http.conditional import conditional_get
from reservaestoque.http.problems import Problem, ProblemError
from reservaestoque.http.tuning.wire import GatheringProtocol

__all__ = ["GatheringProtocol", "JsonBody", "Problem", "ProblemError", "conditional_get", "service_app"]
