from operador.fila import Fila

from .fabrica import Relogio, item


async def test_the_latest_version_of_each_is_taken_once():
    fila = Fila(Relogio())
    fila.por(item(versao=1))
    fila.por(item(versao=3))
    fila.por(item(versao=2))
    fila.por(item(sku="OUTRO"))
    assert [(i.sku, i.versao) for i in await fila.tomar(10, 0.01)] == [("CAMISETA", 3), ("OUTRO", 10)]
    assert await fila.tomar(10, 0.01) == []


async def test_no_more_than_asked_for():
    fila = Fila(Relogio())
    for n in range(5):
        fila.por(item(sku=str(n)))
    assert [i.sku for i in await fila.tomar(3, 0.01)] == ["0", "1", "2"]
    assert [i.sku for i in await fila.tomar(3, 0.01)] == ["3", "4"]


async def test_what_is_put_off_comes_back_in_time():
    relogio = Relogio()
    fila = Fila(relogio)
    fila.adiar(item(), 5)
    assert await fila.tomar(10, 0.01) == []
    relogio.agora += 5
    assert await fila.tomar(10, 0.01) == [item()]


async def test_news_takes_the_place_of_what_was_put_off():
    relogio = Relogio()
    fila = Fila(relogio)
    fila.adiar(item(versao=1), 5)
    fila.por(item(versao=2))
    fila.adiar(item(versao=1), 5)
    assert [i.versao for i in await fila.tomar(10, 0.01)] == [2]
    relogio.agora += 10
    assert await fila.tomar(10, 0.01) == []


async def test_putting_off_again_counts_from_the_last_time():
    relogio = Relogio()
    fila = Fila(relogio)
    fila.adiar(item(), 5)
    fila.adiar(item(), 50)
    relogio.agora += 10
    assert await fila.tomar(10, 0.01) == []
    assert len(fila) == 1
