"""The modules without DOM access, run in the browser."""

import pytest
from playwright.sync_api import Page

pytestmark = pytest.mark.integration

PARSER = """async () => {
    const { Parser } = await import('/painel/stream.js')
    const events = []
    const parser = new Parser((name, data) => events.push([name, data]))
    const pieces = ['id: 1.2.3\\nevent: a\\nda', 'ta: x\\ndata:y\\n', '\\n: comment\\n\\nid: 4\\r']
    pieces.push('\\n\\r\\ndata: z\\n\\n')
    for (const piece of pieces) parser.take(piece)
    return [events, parser.lastId]
}"""

BALANCES = """async () => {
    const { Balances } = await import('/painel/balances.js')
    const balances = new Balances()
    const skus = () => balances.view('', 'all', 'moves').map(item => item.sku)
    const saldo = (sku, vendido) =>
        ({ sku, nome: sku, quantidade: 10, reservado: 0, vendido, disponivel: 10 - vendido })
    for (const sku of ['A', 'B', 'C', 'D']) balances.setRead(saldo(sku, 0), 1000)
    for (let n = 1; n < 6; n++) balances.set(saldo('C', n), 2000, true)
    balances.set(saldo('D', 1), 2100, true)
    balances.setRead(saldo('D', 0), 1500)
    const first = skus()
    balances.set(saldo('B', 10), 900000, true)
    balances.remove('A')
    const out = balances.view('', 'out', 'sku').length
    return [first, skus(), out, balances.available, balances.bySku.get('D').vendido]
}"""

BOOK = """async () => {
    const { OrderBook, history, actions } = await import('/painel/order_book.js')
    const book = new OrderBook()
    const pedidoId = '019ab3f2-7c00-7000-8000-0000000000a1'
    const view = (versao, status) =>
        ({ pedidoId, clienteId: 'a', status, versao, atualizadoEm: `2026-01-01T00:00:0${versao}Z`, expiraEm: null })
    for (const told of [[2, 'ReservaExpirada'], [4, 'Fechado'], [3, 'EstoqueReservado']]) book.set(view(...told))
    const order = book.byId.get(pedidoId)
    const { steps, unseen } = history(order)
    const { Fechado, ReservaExpirada } = book.counts
    return [order.status, steps.map(step => step.status), unseen, Fechado, ReservaExpirada, actions(order, 0)]
}"""

QUANTITIES = """async () => {
    const { coarse, countdown, duration } = await import('/painel/language.js')
    return [duration(0.0853), duration(1.26), coarse(3725), countdown(1799.2), countdown(-4), countdown(3600)]
}"""


def test_the_parser_follows_the_standard(page: Page):
    """HTML, section 9.2.6: several data lines, comments, ids without events, pieces cut anywhere."""
    page.goto("/")
    assert page.evaluate(PARSER) == [[["a", "x\ny"], ["message", "z"]], "4"]


def test_skus_are_ranked_by_size_and_recency_of_their_changes(page: Page):
    """A list requested before an event does not undo it."""
    page.goto("/")
    assert page.evaluate(BALANCES) == [["C", "D", "A", "B"], ["B", "C", "D"], 1, 14, 1]


def test_an_older_view_of_an_order_changes_nothing_and_gaps_are_counted(page: Page):
    page.goto("/")
    steps = ["Criado", "ReservaExpirada", "Fechado"]
    assert page.evaluate(BOOK) == ["Fechado", steps, 2, 1, 0, []]


def test_durations_are_formatted_for_people(page: Page):
    page.goto("/")
    assert page.evaluate(QUANTITIES) == ["85 ms", "1.3 s", "1 h 2 min", "30:00", "0:00", "1:00:00"]
