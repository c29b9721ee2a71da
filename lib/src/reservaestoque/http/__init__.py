"""HTTP: what both services answer alike — problems, health, metrics — and how a service is run."""

from reservaestoque.http.app import service_app
from reservaestoque.http.body import JsonBody
from reservaestoque.http.conditional import CONDITIONAL_GET
from reservaestoque.http.problems import Problem, ProblemError
from reservaestoque.http.server import Task, serve

__all__ = ["CONDITIONAL_GET", "JsonBody", "Problem", "ProblemError", "Task", "serve", "service_app"]
