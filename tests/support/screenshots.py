"""`make screenshots`: five minutes of customers in a shop, and pictures of its panel for the documents.

The pictures show real data: a separate system runs, customers order at random (from a seed), and Chromium
shows the panel.
"""

import asyncio
import math
import random
import sys
import tempfile
import threading
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import browser as browsers
import httpx
from playwright.sync_api import Browser, Page, expect

from local_system import Config, Ports, System

IMAGES = Path(__file__).resolve().parents[2] / "docs/images"
SECONDS = 300
ORDERS_A_SECOND = 9.0
WIDE = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}

KINDS = ("Camiseta", "Caneca", "Livro", "Tênis", "Mochila", "Café", "Chá", "Vinho", "Azeite", "Fone", "Luminária")
COLOURS = ("azul", "preto", "branco", "verde", "vermelho", "cinza", "amarelo")
SIZES = ("P", "M", "G")
SUPPLIES = (60, 120, 300, 300, 900, 900, 2500)
SMALL_SUPPLY = 24
NAMES = (
    "ana",
    "bruno",
    "carla",
    "diego",
    "elisa",
    "gabi",
    "hugo",
    "ines",
    "joao",
    "lucas",
    "nuno",
    "olga",
    "rita",
    "vera",
)


def plain(text: str) -> str:
    """The text without accents, as in identifiers."""
    return unicodedata.normalize("NFD", text).encode("ascii", "ignore").decode()


def stock(rng: random.Random) -> dict[str, int]:
    """The supply to declare for each SKU, by SKU and name."""
    names = [f"{kind} {colour} {size}" for kind in KINDS for colour in COLOURS for size in SIZES]
    return {name: rng.choice(SUPPLIES) for name in names}


def sku_of(name: str) -> str:
    return plain(name).upper().replace(" ", "-")


def supply(system: System, names: dict[str, int]) -> None:
    rows = ",".join(f"('{sku_of(name)}','{name}',{n},{n})" for name, n in names.items())
    system.psql("estoque", f"insert into estoque (sku, nome, alvo, quantidade) values {rows}")  # noqa: S608


class Customers:
    """Order at a varying rate; most pay, some cancel, some let their reservation lapse."""

    def __init__(self, url: str, skus: list[str], rng: random.Random) -> None:
        self._url = url
        self._rng = rng
        self._skus = skus
        self._wanted = rng.sample(skus, 12)
        self._stopped = threading.Event()

    @contextmanager
    def shopping(self) -> Iterator[None]:
        thread = threading.Thread(target=lambda: asyncio.run(self._shop()))
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            thread.join()

    async def _shop(self) -> None:
        async with httpx.AsyncClient(base_url=self._url, timeout=30, trust_env=False) as client:
            running: set[asyncio.Task[None]] = set()
            while not self._stopped.is_set():
                task = asyncio.create_task(self._order(client))
                running.add(task)
                task.add_done_callback(running.discard)
                rate = ORDERS_A_SECOND * (1 + 0.45 * math.sin(time.monotonic() / 19))
                await asyncio.sleep(self._rng.expovariate(rate))
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _order(self, client: httpx.AsyncClient) -> None:
        rng = self._rng
        chosen = {
            rng.choice(self._wanted if rng.random() < 0.5 else self._skus): rng.randint(1, 3)
            for _ in range(rng.randint(1, 3))
        }
        body = {
            "clienteId": rng.choice(NAMES),
            "itens": [{"sku": sku, "quantidade": quantity} for sku, quantity in chosen.items()],
        }
        decided = (await client.post("/pedidos", json=body, headers={"Prefer": "wait=20"})).json()
        if decided.get("status") != "EstoqueReservado":
            return
        await asyncio.sleep(rng.expovariate(1 / 7))
        fate = rng.random()
        if fate < 0.72:
            await client.post(f"/pedidos/{decided['pedidoId']}/fechar")
        elif fate < 0.86:
            await client.post(f"/pedidos/{decided['pedidoId']}/cancelar")


def opened(browser: Browser, url: str, **options: str) -> Page:
    context = browser.new_context(viewport=WIDE, base_url=url, device_scale_factor=1, **options)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto("/")
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    return page


def picture(page: Page, name: str) -> None:
    page.mouse.move(720, 20)
    page.wait_for_timeout(1500)
    page.screenshot(path=IMAGES / f"{name}.png")
    print(f"docs/images/{name}.png")


def order(page: Page, **items: int) -> None:
    """Fills in the form, in any language, and submits it."""
    page.locator("#new-order").click()
    for number, (sku, quantity) in enumerate(items.items()):
        if number:
            page.locator("#form-add").click()
        line = page.locator("#form-lines > *").nth(number)
        line.get_by_role("combobox").fill(sku)
        line.get_by_role("option").first.click()
        line.locator("[type=number]").fill(str(quantity))
    page.locator("#form-send").click()


def pictures(browser: Browser, url: str) -> None:
    english = opened(browser, url, locale="en-GB", color_scheme="light")
    portuguese = opened(browser, url, locale="pt-BR", color_scheme="dark")
    time.sleep(SECONDS)
    picture(english, "panel-en-light")
    picture(portuguese, "panel-pt-dark")
    order(english, **{"CAFE-AZUL-M": 2, "CANECA-PRETO-G": 1})
    expect(english.locator("#order-detail .status.large")).to_have_attribute("data-status", "EstoqueReservado")
    time.sleep(5)
    picture(english, "order-en-light")
    order(portuguese, **{"LIVRO-VERDE-M": 1, "TENIS-VERMELHO-P": 40})
    expect(portuguese.locator("#form-result .missing")).to_be_visible()
    picture(portuguese, "refused-pt-dark")
    for page, section, name in ((english, "pedidos", "phone-en-light"), (portuguese, "estoque", "phone-pt-dark")):
        page.keyboard.press("Escape")
        page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        page.evaluate("id => { location.hash = id }", section)
        picture(page, name)


def main() -> int:
    """Writes docs/images/*.png. Returns the exit code."""
    if browsers.executable() is None:
        print("no browser: install Chromium (sh local/setup/chromium.sh)", file=sys.stderr)
        return 1
    IMAGES.mkdir(parents=True, exist_ok=True)
    rng = random.Random(11)
    with tempfile.TemporaryDirectory() as state:
        replicas = {"pedidos": 2, "estoque": 2}
        config = Config(state=Path(state), ports=Ports.free(), replicas=replicas, settings={"RESERVA_TTL": "90s"})
        print(f"starting a system; customers order for {SECONDS} s")
        with System(config) as system, browsers.chromium() as browser:
            names = stock(rng)
            names["Tênis vermelho P"] = SMALL_SUPPLY
            supply(system, names)
            with Customers(system.gateway_url, [sku_of(name) for name in names], rng).shopping():
                pictures(browser, system.gateway_url)
    return 0


if __name__ == "__main__":
    sys.exit(main())
