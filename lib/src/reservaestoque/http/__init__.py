"""HTTP: what both services answer alike — problems, health, metrics — and how a service is run."""

from reservaestoque.http.app import service_app
from reservaestoque.http.body import JsonBody
from reservaestoque.http.conditional import conditional_get
from reservaestoque.http.problems import Problem, ProblemError
from reservaestoque.http.server import Task, serve

__all__ = ["JsonBody", "Problem", "ProblemError", "Task", "conditional_get", "serve", "service_app"]
