"""One seed, from an empty shop to the last order's end."""

from collections.abc import Iterable
from datetime import timedelta

import asyncpg

from reservaestoque.events import AtualizarStatus, Comando, Decoder
from reservaestoque.retention import LAP
from simulacao.juiz import Juiz
from simulacao.modelo import Modelo
from simulacao.mundo import Mundo, Parte, Violacao, bridged_step_back
from simulacao.partes import PARTES, Elenco
from simulacao.rede import Fila, Rede
from simulacao.times import Times

BANCOS = ("estoque", "pedidos")
_RELOGIO = """
create sequence if not exists relogio minvalue 0;
create or replace function agora() returns timestamptz language sql volatile as
    'select timestamptz ''epoch'' + last_value * interval ''1 microsecond'' from relogio';
"""
_TABELAS = {
    "estoque": ("estoque", "pedido", "reserva", "inbox", "outbox", "mudanca"),
    "pedidos": ("pedido", "comando", "idempotencia", "outbox", "mudanca"),
}
_LAPSED = "reservations beyond their time"
_OLD = ("ForaDoHorizonte", "PedidoDesconhecido", "PedidoEsquecido")
"""Why messages from long ago are set aside; that no order is lost is looked at separately."""
_INQUIETO = {
    "facts not published": "select true from outbox limit 1",
    "commands without an answer": "select true from comando where respondido_em is null limit 1",
    "orders without a decision": "select true from pedido where status = 'Criado' limit 1",
    _LAPSED: "select true from pedido where expira_em <= agora() limit 1",
}
MONITOR = "monitor"
_VOLTAM = 60
_HEARD = 0.5
_NEVER_HEARD = 0.3
_ENVELHECER = 0.25
_CONGELAR = 0.3
_VISITAS = 3
_PASSOS_AO_LADO = 150
_RODADAS = 60
_PASSOS = 5000


class FalhouError(Exception):
    """A seed found something; says what, and the end of its trail."""

    def __init__(self, semente: int, erro: BaseException, trilha: list[str]) -> None:
        fim = "\n".join(trilha[-60:])
        super().__init__(f"seed {semente}: {erro}\n{fim}\n(replay it: make simulate SEED={semente})")
        self.semente = semente


class Palco:
    """Connections to the two databases by party; kept from seed to seed, made anew after a failure."""

    def __init__(self, urls: dict[str, str]) -> None:
        self._urls = urls
        self._conexoes: dict[tuple[str, str], asyncpg.Connection] = {}

    async def preparar(self, nomes: Iterable[str]) -> None:
        """Opens what is not open for these parties, takes the databases' clock and empties them.

        Truncated and never vacuumed, so that where a row lies, and so in which order rows come where a statement
        does not care, is the same whatever ran before.
        """
        for nome in nomes:
            for banco in BANCOS:
                if (nome, banco) not in self._conexoes:
                    self._conexoes[nome, banco] = await asyncpg.connect(
                        self._urls[banco],
                        server_settings={
                            "synchronous_commit": "off",
                            "timezone": "UTC",
                            # As the services': a generic plan after some executions may order rows differently.
                            "plan_cache_mode": "force_custom_plan",
                        },
                    )
                    if nome == MONITOR:
                        await self._take_over(banco)
        for banco in BANCOS:
            await self.conexao(MONITOR, banco).execute(f"truncate {', '.join(_TABELAS[banco])} restart identity")

    async def _take_over(self, banco: str) -> None:
        """Not seed by seed: whatever defines something anew makes all connections plan all their statements anew."""
        monitor = self.conexao(MONITOR, banco)
        await monitor.execute(_RELOGIO)
        for tabela in _TABELAS[banco]:
            await monitor.execute(f"alter table {tabela} set (autovacuum_enabled = false)")

    def conexao(self, nome: str, banco: str) -> asyncpg.Connection:
        """The connection of a party to a database."""
        return self._conexoes[nome, banco]

    def fechar(self) -> None:
        """Closes all connections, whatever they are doing."""
        for conexao in self._conexoes.values():
            conexao.terminate()
        self._conexoes.clear()


async def rodar(palco: Palco, semente: int) -> Mundo:
    """Runs a seed. Raises FalhouError when something that must never happen did."""
    await palco.preparar((MONITOR, *PARTES))
    monitores = {banco: palco.conexao(MONITOR, banco) for banco in BANCOS}
    mundo = Mundo(semente, monitores, await bridged_step_back(monitores["estoque"]))
    await mundo.avancar(timedelta())
    times = Times.draw(semente)
    mundo.anotar(f"{times}")
    juiz = Juiz(mundo, Modelo(times.reserva_ttl), times)
    rede = Rede(
        mundo,
        Fila("estoque.pedidos", Decoder[Comando](Comando)),
        Fila("pedidos.status", Decoder[AtualizarStatus](AtualizarStatus)),
    )
    elenco = Elenco(mundo, juiz, rede, times, palco.conexao)
    elenco.nascer()
    try:
        await _live(elenco)
    except (Exception, Violacao) as erro:
        palco.fechar()
        raise FalhouError(semente, erro, mundo.trilha) from erro
    finally:
        await mundo.findar()
    return mundo


async def _live(elenco: Elenco) -> None:
    """All that befalls them, from the first order to the last one's end."""
    mundo, juiz, rede, times = elenco.mundo, elenco.juiz, elenco.rede, elenco.times
    await mundo.correr(mundo.rng.choice([100, 200, 400]))
    if mundo.rng.random() < _CONGELAR:
        await _congelar(mundo, elenco)
    await _stop_the_broker(mundo, times)
    await _acalmar(mundo, juiz, rede)
    await _lapse(mundo, rede, times)
    await _acalmar(mundo, juiz, rede)
    if mundo.rng.random() < _ENVELHECER:
        await _envelhecer(mundo, juiz, rede)


async def _congelar(mundo: Mundo, elenco: Elenco) -> None:
    """A party stops with its locks held, as by SIGSTOP, while the others go on: who needs none of them must not wait.

    In the end the server ends its transaction.
    """
    congelada = await _no_meio_de_uma_transacao(mundo)
    if congelada is None:
        return
    mundo.calmo = True
    congelada.congelar()
    mundo.visto[f"frozen: {congelada.nome.rpartition('-')[0]}"] += 1
    mundo.repetida = next(iter(elenco.tomando.get(congelada.nome, ())), None)
    juiz, rede = elenco.juiz, elenco.rede
    for rodada in range(_RODADAS):
        mundo.pedidas |= {"reenvio-1", "reenvio-2"}
        if rodada < _VISITAS:
            mundo.pedidas |= {"cliente-1", "cliente-2"}
        await mundo.correr(_PASSOS_AO_LADO)
        if rodada >= _VISITAS and not await juiz.esperam_sem_razao(congelada, rede.filas.values()):
            break
        await mundo.avancar(elenco.times.resend_after * min(rodada + 1, 20))
        await mundo.vencer_trancas()
    else:
        presos = await juiz.esperam_sem_razao(congelada, rede.filas.values())
        raise Violacao(f"{congelada.nome} is frozen, and orders wait that need nothing of it: {presos}")
    mundo.repetida = None
    congelada.descongelar()


async def _no_meio_de_uma_transacao(mundo: Mundo) -> Parte | None:
    """A party that is between two statements of a transaction, after at most so many steps."""
    for _ in range(_PASSOS_AO_LADO):
        await mundo.correr(1)
        no_meio = [parte for parte in mundo.partes if parte.transacao is not None and parte.no_portao]
        if no_meio and mundo.rng.random() < 0.2:
            return mundo.rng.choice(no_meio)
    return None


async def _stop_the_broker(mundo: Mundo, times: Times) -> None:
    """The broker is away for longer than commands are sent again, with what was accepted still in the outbox.

    Only where no message is lost: one that was lost so long ago is given up, with an alert.
    """
    if mundo.clima.perda or mundo.semente % 2:
        return
    mundo.calmo = True
    since = await mundo.monitores["pedidos"].fetchval(
        "select coalesce(min(criado_em), agora()) from comando where respondido_em is null"
    )
    # The oldest is no longer sent again then, and not yet too old for estoque.
    await mundo.avancar((times.resend_horizon + times.event_horizon) / 2 - (mundo.agora - since))
    mundo.broker_fora = True
    for _ in range(2):
        mundo.pedidas |= {"reenvio-1", "retencao"}
        await mundo.correr(_PASSOS, ate_parar=True)
    mundo.broker_fora = False


async def _lapse(mundo: Mundo, rede: Rede, times: Times) -> None:
    """All reservations lapse. Of some seeds word of it is lost, of some so are the first answers to who asks."""
    if mundo.rng.random() < _HEARD:
        await mundo.avancar(2 * times.reserva_ttl)
        return
    rede.losing = rede.filas["pedidos.status"]
    await mundo.avancar(times.reserva_ttl)
    mundo.pedidas |= {"varredura-1", "varredura-2"}
    await mundo.correr(_PASSOS, ate_parar=True)
    unheard = await mundo.monitores["pedidos"].fetchval(
        "select count(*) from pedido p join comando c on c.id = p.causa "
        "where p.status = 'EstoqueReservado' and p.expira_em <= agora() and c.criado_em < agora() - $1::interval",
        times.resend_horizon,
    )
    mundo.visto["lapse lost of an old command"] += unheard > 0
    if mundo.rng.random() < _NEVER_HEARD:
        await mundo.avancar(times.resend_horizon + timedelta(minutes=1))
        mundo.pedidas |= {"reenvio-1"}
        await mundo.correr(_PASSOS, ate_parar=True)
    rede.losing = None


async def _envelhecer(mundo: Mundo, juiz: Juiz, rede: Rede) -> None:
    """Weeks later, when what is old has been forgotten, messages turn up once more: nothing may come of them."""
    passado = len(rede.historico)
    await mundo.avancar(timedelta(days=mundo.rng.choice([8, 40])))
    await _voltar_na_ultima_hora(mundo)
    for _ in range(2):  # what was abandoned is cancelled in the first round
        mundo.pedidas.add("retencao")
        await _acalmar(mundo, juiz, rede)
    for fila, body in mundo.rng.choices(rede.historico[:passado], k=5) if passado else ():
        rede.guardar(fila, body)
    await _acalmar(mundo, juiz, rede)


async def _voltar_na_ultima_hora(mundo: Mundo) -> None:
    """Customers renew what has just been found abandoned, and is about to be cancelled."""
    mundo.pedidas.add("retencao")
    for _ in range(_PASSOS):
        await mundo.correr(1)
        if "retencao: pedidos Of the next $2 orders behind $3 that say $4" in mundo.trilha[-1]:
            break
    mundo.voltam = True
    mundo.pedidas |= {"cliente-1", "cliente-2"}
    await mundo.correr(_VOLTAM)
    mundo.voltam = False


async def _acalmar(mundo: Mundo, juiz: Juiz, rede: Rede) -> None:
    """No more orders and no more mishaps: within some rounds all must be done, said, and the same everywhere."""
    mundo.calmo = True
    for rodada in range(_RODADAS):
        await mundo.correr(_PASSOS, ate_parar=True)
        restless = await _inquieto(mundo, rede)
        if not restless:
            cartas = [carta for fila in rede.filas.values() for carta in fila.mortas]
            await juiz.ver_o_fim(c for c in cartas if not c[1].startswith(_OLD))
            return
        if restless == [f"pedidos: {_LAPSED}"]:
            await _await_abandonment(mundo, juiz.times)
        mundo.pedidas |= {"reenvio-1", "varredura-1", "varredura-2"}
        await mundo.correr(_PASSOS, ate_parar=True)
        await mundo.avancar(juiz.times.resend_after * min(rodada + 1, 20))
    raise Violacao(f"not at rest after {_RODADAS} rounds: {await _inquieto(mundo, rede)}")


async def _await_abandonment(mundo: Mundo, times: Times) -> None:
    """Where pedidos has given up asking about all reservations whose end it has not heard of, it cancels them later.

    Raises Violacao when it has given up although an answer could still be had.
    """
    unheard = await mundo.monitores["pedidos"].fetch(
        "select p.id, p.expira_em, p.perguntar_em, c.criado_em from pedido p left join comando c on c.id = p.causa "
        "where p.expira_em <= agora()"
    )
    if any(row["perguntar_em"] is not None for row in unheard):
        return
    for row in unheard:
        lapsed, made = mundo.agora - row["expira_em"], row["criado_em"]
        if lapsed < times.resend_horizon and made is not None and mundo.agora - made < times.event_horizon:
            raise Violacao(f"order {row['id']}: given up asking {lapsed} after its reservation lapsed")
    mundo.visto["question given up"] += 1
    due = max(row["expira_em"] for row in unheard) + times.abandoned_after
    # A walk that is at its end begins again in the next lap.
    await mundo.avancar(due - mundo.agora + LAP + timedelta(seconds=1))
    mundo.pedidas.add("retencao")


async def _inquieto(mundo: Mundo, rede: Rede) -> list[str]:
    """What still has to happen."""
    falta = [f"messages in {fila.nome}" for fila in rede.filas.values() if not fila.vazia]
    for banco, monitor in mundo.monitores.items():
        for que, consulta in _INQUIETO.items():
            if "comando" in consulta and banco == "estoque":
                continue
            if await monitor.fetchval(consulta):
                falta.append(f"{banco}: {que}")
    return falta
