"""Tickets: a browser's EventSource cannot send an Authorization header, so a ticket in the URL opens its stream."""

from reservaestoque.tickets.routes import TicketParameter, admitted, ticket_route
from reservaestoque.tickets.tickets import TICKET_LIFE, Ticket, Tickets, old_tickets

__all__ = ["TICKET_LIFE", "Ticket", "TicketParameter", "Tickets", "admitted", "old_tickets", "ticket_route"]
