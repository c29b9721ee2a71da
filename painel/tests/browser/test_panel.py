"""The panel as people see and use it."""

import json
import re

import httpx
import pytest
from browser import violations
from playwright.sync_api import Page, Route, expect

from local_system import System

pytestmark = pytest.mark.integration

expect.set_options(timeout=30_000)
LIVE = re.compile("^live$")


def opened(page: Page, path: str = "/") -> Page:
    page.goto(path)
    expect(page.locator("#connection")).to_have_attribute("data-state", LIVE)
    return page


def order(page: Page, customer: str, **items: int) -> None:
    """Places an order with the form, as a person would."""
    page.get_by_role("button", name="New order").click()
    form = page.locator("#order-form")
    form.get_by_label("Customer").fill(customer)
    for number, (sku, quantity) in enumerate(items.items()):
        if number:
            form.get_by_role("button", name="Add an item").click()
        line = form.locator(".form-line").nth(number)
        field = line.get_by_role("combobox")
        field.fill(sku)
        line.get_by_role("option", name=re.compile(f"^{sku}")).click()
        expect(field).to_have_value(sku)
        line.get_by_label("Quantity").fill(str(quantity))
    form.get_by_role("button", name="Place the order").click()


def stock_row(page: Page, sku: str):
    return page.locator(f'#stock-rows [data-sku="{sku}"]')


def find_stock(page: Page, text: str) -> None:
    page.get_by_role("searchbox").fill(text)


def test_an_order_is_followed_through_its_life_without_a_reload(page: Page, supply):
    supply("LIFE", 5)
    opened(page)
    find_stock(page, "LIFE")
    expect(stock_row(page, "LIFE")).to_contain_text("0 sold · 0 reserved")
    page.evaluate("window.notReloaded = true")
    order(page, "ana", LIFE=2)
    detail = page.locator("#order-detail")
    expect(detail.locator(".status.large")).to_have_text("Reserved")
    expect(detail.get_by_role("timer")).to_have_text(re.compile(r"^0:\d\d$"))
    first = detail.get_by_role("timer").inner_text()
    expect(detail.get_by_role("timer")).not_to_have_text(first)
    expect(stock_row(page, "LIFE")).to_contain_text("0 sold · 2 reserved")
    detail.get_by_role("button", name="Close (paid)").click()
    expect(detail.locator(".status.large")).to_have_text("Closed")
    expect(detail.locator(".history li strong")).to_have_text(["Created", "Reserved", "Closed"])
    expect(detail.locator("#detail-actions button")).to_have_count(0)
    expect(stock_row(page, "LIFE")).to_contain_text("2 sold · 0 reserved")
    page.keyboard.press("Escape")
    expect(page.locator("#order-rows .order").first).to_contain_text("ana")
    assert page.evaluate("window.notReloaded")


def test_a_lapse_is_seen_and_the_reservation_renewed(page: Page, supply):
    supply("LAPSING", 4)
    opened(page)
    order(page, "bruno", LAPSING=1)
    detail = page.locator("#order-detail")
    expect(detail.locator(".status.large")).to_have_text("Reserved")
    expect(detail.locator(".status.large")).to_have_text("Lapsed")
    detail.get_by_role("button", name="Renew").click()
    expect(detail.locator(".status.large")).to_have_text("Reserved")
    expect(detail.locator(".history li strong")).to_have_text(["Created", "Reserved", "Lapsed", "Reserved"])
    detail.get_by_role("button", name="Cancel").click()
    expect(detail.locator(".status.large")).to_have_text("Cancelled")


def test_a_refusal_names_the_missing_item_and_the_shortage(page: Page, supply):
    supply("FEW", 3)
    supply("MANY", 300)
    opened(page)
    order(page, "carla", MANY=1, FEW=10)
    result = page.locator("#form-result")
    expect(result).to_contain_text("Refused: nothing was reserved.")
    expect(result).to_contain_text("FEW: 7 missing (10 requested, 3 available)")
    expect(result.locator("tbody tr")).to_have_text(re.compile("FEW\\s*10\\s*3\\s*\N{MINUS SIGN}7"))
    assert violations(page) == []
    result.get_by_role("button", name="Open the order").click()
    expect(page.locator("#order-detail .status.large")).to_have_text("Refused")
    expect(page.locator("#order-detail .missing tbody tr")).to_have_count(1)


def test_a_form_that_is_not_complete_says_what_is_missing(page: Page, supply):
    opened(page)
    page.get_by_role("button", name="New order").click()
    form = page.locator("#order-form")
    form.get_by_role("button", name="Place the order").click()
    expect(page.locator("#form-result")).to_have_text("Choose a SKU on each line.")
    expect(form.get_by_role("combobox")).to_be_focused()
    expect(form.get_by_role("combobox")).to_have_attribute("aria-invalid", "true")


def test_orders_of_others_arrive_and_are_filtered_by_status(page: Page, system: System, supply):
    supply("OTHERS", 50)
    opened(page)
    body = {"clienteId": "elsewhere", "itens": [{"sku": "OTHERS", "quantidade": 1}]}
    made = httpx.post(
        f"{system.gateway_url}/pedidos", json=body, headers={"Prefer": "wait=10"}, trust_env=False
    ).json()
    row = page.locator("#order-rows .order", has_text=made["pedidoId"][-12:])
    expect(row).to_contain_text("Reserved")
    httpx.post(f"{system.gateway_url}/pedidos/{made['pedidoId']}/cancelar", trust_env=False)
    expect(row).to_contain_text("Cancelled")
    page.locator('#order-counts [data-status="Fechado"]').click()
    expect(row).to_have_count(0)
    page.locator('#order-counts [data-status="Cancelado"]').click()
    expect(row).to_be_visible()


def test_the_keyboard_reaches_everything(page: Page, supply):
    supply("TECLADO-1", 9)
    supply("TECLADO-2", 9)
    opened(page)
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the stock")).to_be_focused()
    page.get_by_role("button", name="New order").focus()
    page.keyboard.press("Enter")
    field = page.locator("#order-form").get_by_role("combobox")
    field.focus()
    page.keyboard.type("TECLADO")
    expect(page.locator("#order-form").get_by_role("option")).to_have_count(2)
    expect(field).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(field).to_have_value("TECLADO-2")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Escape")
    expect(page.locator("#order-form")).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.type("3")
    page.keyboard.press("Enter")
    expect(page.locator("#order-detail .status.large")).to_have_text("Reserved")
    page.keyboard.press("Escape")
    expect(page.locator("#order-detail")).not_to_be_visible()


def test_a_sku_declared_while_somebody_looks_for_it_is_offered(page: Page, supply):
    supply("LATER-1", 9)
    opened(page)
    page.get_by_role("button", name="New order").click()
    field = page.locator("#order-form").get_by_role("combobox")
    options = page.locator("#order-form").get_by_role("option")
    field.fill("LATER")
    expect(options).to_have_count(1)
    page.keyboard.press("ArrowDown")
    supply("LATER-0", 9)
    expect(options).to_have_count(2)
    page.keyboard.press("Enter")
    expect(field).to_have_value("LATER-1")
    page.keyboard.press("ArrowUp")
    expect(options).to_have_count(1)
    page.keyboard.press("Enter")
    expect(field).to_have_value("LATER-1")
    field.fill("LATEST")
    expect(options).to_have_count(0)
    supply("LATEST", 9)
    options.click()
    expect(field).to_have_value("LATEST")


def test_a_sku_that_two_stockitems_declare_is_marked(page: Page, system: System):
    items = [
        {
            "apiVersion": "reservaestoque.dev/v1",
            "kind": "StockItem",
            "metadata": {"name": name},
            "spec": {"sku": "TWICE", "name": "Produto", "quantity": 9},
        }
        for name in ("first", "second")
    ]
    for item in items:
        system.kubectl("apply", "-f", "-", stdin=json.dumps(item))
    opened(page)
    find_stock(page, "TWICE")
    expect(stock_row(page, "TWICE")).to_contain_text("conflict")
    page.locator("#stock-filter").select_option("conflict")
    expect(stock_row(page, "TWICE")).to_be_visible()
    system.kubectl("delete", "stockitem", "second")
    expect(stock_row(page, "TWICE")).to_have_count(0)


def test_the_system_is_shown(page: Page, supply):
    supply("SYSTEM", 100)
    opened(page)
    order(page, "diego", SYSTEM=1)
    page.keyboard.press("Escape")
    expect(page.locator("#audit-value")).to_have_text("0")
    expect(page.locator("#tile-audit")).to_have_attribute("data-state", "good")
    expect(page.locator("#lapse-value")).to_have_text(re.compile(r"^[1-9]"))
    expect(page.locator("#decision-value")).to_contain_text("p99")
    for part, tally in {
        "gateway": "1/1",
        "pedidos": "2/2",
        "estoque": "2/2",
        "operator": "1/1",
        "rabbitmq": "1/1",
    }.items():
        expect(page.locator(f'[data-part="{part}"] .tally')).to_have_text(tally)
    expect(page.locator("#letters-value")).to_have_text("0")
    expect(page.locator("#rate-plot")).to_have_attribute("aria-label", re.compile("highest [0-9.]+"))


def test_a_replica_that_dies_is_shown_until_it_is_back(page: Page, system: System):
    opened(page)
    expect(page.locator('[data-part="estoque"] .tally')).to_have_text("2/2")
    system.stop("estoque-2")
    try:
        expect(page.locator('[data-part="estoque"] .tally')).to_have_text("1/2")
        expect(page.locator('[data-part="estoque"]')).to_contain_text("estoque-2 is down")
    finally:
        system.start("estoque-2")
    expect(page.locator('[data-part="estoque"] .tally')).to_have_text("2/2")


def test_a_broker_outage_is_shown_and_its_orders_are_decided_afterwards(page: Page, system: System, supply):
    supply("BROKER", 10)
    opened(page)
    system.stop("rabbitmq")
    try:
        expect(page.locator('[data-part="rabbitmq"]')).to_have_attribute("data-state", "bad")
        expect(page.locator("#letters-detail")).to_contain_text("the broker does not answer")
        order(page, "elisa", BROKER=1)
        detail = page.locator("#order-detail")
        expect(detail.locator(".status.large")).to_have_text("Created", timeout=40_000)
        expect(page.locator("#outbox dd").first).to_contain_text("1 waiting")
    finally:
        system.start("rabbitmq")
    expect(detail.locator(".status.large")).to_have_text("Reserved", timeout=60_000)
    expect(page.locator('[data-part="rabbitmq"]')).to_have_attribute("data-state", "good")


def test_it_says_since_when_it_is_stale_and_catches_up_by_itself(page: Page, system: System, supply):
    supply("STALE", 10)
    opened(page)
    find_stock(page, "STALE")
    expect(stock_row(page, "STALE")).to_contain_text("0 reserved")
    system.stop("gateway")
    try:
        expect(page.locator("#connection")).to_have_attribute("data-state", "stale")
        expect(page.locator("#connection")).to_contain_text(re.compile(r"shown as of \d\d:\d\d:\d\d"))
        for section in ("stock", "orders", "system"):
            expect(page.locator(f"#{section}-notice")).to_contain_text("Connection lost; reconnecting.")
        assert violations(page) == []
        body = {"clienteId": "cut-off", "itens": [{"sku": "STALE", "quantidade": 4}]}
        past = system.program_url("pedidos-1")
        httpx.post(f"{past}/pedidos", json=body, headers={"Prefer": "wait=10"}, trust_env=False).raise_for_status()
        headers = []
        page.on("request", lambda request: headers.append((request.url, request.headers.get("last-event-id"))))
    finally:
        system.start("gateway")
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    expect(stock_row(page, "STALE")).to_contain_text(re.compile("[04] reserved"))
    expect(page.locator("#order-rows .order", has_text="cut-off")).to_have_count(1)
    resumed = [last for url, last in headers if url.endswith("/estoque/eventos")]
    assert resumed[-1], "it resumes after the last event"
    assert not [url for url, _ in headers if "limite=" in url], "nothing is read again"


def test_language_and_theme_are_chosen_and_kept(page: Page):
    opened(page)
    page.get_by_role("button", name="Português").click()
    expect(page.locator("html")).to_have_attribute("lang", "pt-BR")
    expect(page.get_by_role("heading", name="Estoque", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Novo pedido")).to_be_visible()
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.locator("#theme").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    page.locator("#theme").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.get_by_role("heading", name="Pedidos", exact=True)).to_be_visible()


@pytest.mark.parametrize("locale", ["en-GB", "pt-BR"])
@pytest.mark.parametrize("width", [1440, 1000, 390])
def test_axe_finds_nothing(browser, system: System, supply, locale: str, width: int):
    supply("AXE", 1000, "Machado")
    supply("AXE-FEW", 0, "Machado esgotado")
    context = browser.new_context(
        viewport={"width": width, "height": 844},
        locale=locale,
        base_url=system.gateway_url,
        reduced_motion="reduce",  # colours in mid-transition have a different contrast
    )
    page = opened(context.new_page())
    expect(page.locator("#stock-rows [role=row]").first).to_be_visible()
    found = []
    for section, content in (("estoque", "[role=row]"), ("pedidos", "h2"), ("sistema", "[data-part]")):
        page.evaluate("id => { location.hash = id }", section)
        expect(page.locator(f"#{section} {content}").first).to_be_visible()
        found += violations_in_both_schemes(page, section)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing overflows sideways"
    page.evaluate("location.hash = 'pedidos'")
    page.locator("#new-order").click()
    page.locator("#order-form [role=combobox]").fill("AXE")
    expect(page.locator("#order-form [role=option]")).to_have_count(2)
    found += violations_in_both_schemes(page, "form")
    page.locator("#order-form [role=option]").first.click()
    page.locator("#form-send").click()
    expect(page.locator("#order-detail .status.large")).to_have_attribute("data-status", "EstoqueReservado")
    expect(page.locator("#order-detail").get_by_role("timer")).to_be_visible()
    found += violations_in_both_schemes(page, "detail")
    context.close()
    assert found == []


def violations_in_both_schemes(page: Page, place: str) -> list[str]:
    """The findings of axe-core on the light and on the dark page, each with the place and the scheme."""
    found, backgrounds = list[str](), set[str]()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        backgrounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        found += [f"{place}, {scheme}: {one}" for one in violations(page)]
    assert len(backgrounds) == 2, "both schemes are seen"
    return found


@pytest.mark.parametrize("locale", ["en-GB", "pt-BR"])
@pytest.mark.parametrize("width", [1440, 760, 390, 360, 320])
def test_the_legend_is_not_cut_off(browser, system: System, locale: str, width: int):
    context = browser.new_context(
        viewport={"width": width, "height": 844}, locale=locale, base_url=system.gateway_url
    )
    page = opened(context.new_page())
    legend = page.locator(".bar-head")
    expect(legend).to_be_visible()
    assert legend.evaluate("head => head.scrollWidth <= head.clientWidth")
    context.close()


def guarded(route: Route, seen: list[str | None]) -> None:
    """Answers like a gateway that requires tokens and refuses expired ones."""
    token = route.request.headers.get("authorization")
    seen.append(token)
    if token is None or "expired" in token:
        refuse(route, 401, "nao-autenticado")
    elif "sistema" in route.request.url:
        refuse(route, 403, "sem-permissao")
    else:
        route.continue_()


def refuse(route: Route, status: int, problem: str) -> None:
    body = {"type": f"https://reservaestoque.dev/problemas/{problem}", "status": status, "detail": "?"}
    route.fulfill(status=status, content_type="application/problem+json", body=json.dumps(body))


def sign_in(page: Page, token: str) -> None:
    page.locator("#sign-in").get_by_label("Token").fill(token)
    page.locator("#sign-in").get_by_role("button", name="Sign in").click()


def test_a_token_is_asked_for_and_only_what_it_permits_is_shown(page: Page):
    """This system's gateway requires no token, so the test answers the browser's requests in its place."""
    seen: list[str | None] = []
    page.route(re.compile("/(pedidos|estoque|painel/sistema)"), lambda route: guarded(route, seen))
    page.goto("/")
    dialog = page.locator("#sign-in")
    expect(dialog).to_be_visible()
    expect(page.locator("#connection")).to_contain_text("Signed out")
    assert violations(page) == []
    sign_in(page, "expired")
    expect(dialog).to_contain_text("The token was refused")
    sign_in(page, "header.eyJzdWIiOiAiYW5hIn0.signature")
    expect(dialog).not_to_be_visible()
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    expect(page.locator("#system-notice")).to_contain_text("lacks the scope pedidos:admin")
    page.get_by_role("button", name="New order").click()
    expect(page.get_by_label("Customer")).to_have_value("ana")
    expect(page.get_by_label("Customer")).not_to_be_editable()
    page.keyboard.press("Escape")
    assert page.evaluate("[localStorage.getItem('token'), sessionStorage.getItem('token') !== null]") == [None, True]
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator("#connection")).to_contain_text("Signed out")
    expect(page.locator("#order-rows .order")).to_have_count(0)
    assert seen[-1] is None


def test_the_openapi_pages_need_nothing_from_elsewhere(page: Page):
    """The fixture fails on requests to other origins."""
    for service in ("pedidos", "estoque"):
        page.goto(f"/schema/{service}")
        expect(page.get_by_role("heading", name=service).first).to_be_visible()
