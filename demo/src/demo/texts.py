"""The texts of the demonstration, in Portuguese and English. Pure."""

TEXTS = {
    "title": ("Venda relâmpago", "Flash sale"),
    "subtitle": (
        "{units} unidades, {shoppers} clientes, semente {seed}, em {url}",
        "{units} units, {shoppers} shoppers, seed {seed}, at {url}",
    ),
    "starting": (
        "preparando o sistema local: 2 réplicas de cada serviço, reservas de {ttl} s",
        "preparing the local system: 2 replicas of each service, reservations of {ttl} s",
    ),
    "declared": ("a loja declara o estoque com kubectl apply", "the shop declares its stock with kubectl apply"),
    "open": ("a venda abre", "the sale opens"),
    "killed": ("{part} foi morto", "{part} is killed"),
    "back": ("{part} voltou depois de {seconds:.1f} s", "{part} is back after {seconds:.1f} s"),
    "broker": ("RabbitMQ é reiniciado", "RabbitMQ is restarted"),
    "restocked": (
        "kubectl apply: mais {units} unidades de {sku}",
        "kubectl apply: {units} more units of {sku}",
    ),
    "failed": ("{part}: {error}", "{part}: {error}"),
    "closed_doors": (
        "o último cliente chegou; esperando as reservas abandonadas vencerem",
        "the last shopper has arrived; waiting for abandoned reservations to lapse",
    ),
    "scaled": ("{part} agora com {pods} pods", "{part} now has {pods} pods"),
    "auditing": ("conferindo tudo", "auditing everything"),
    "shoppers": ("clientes", "shoppers"),
    "inside": ("na loja agora", "in the shop now"),
    "per_second": ("pedidos por segundo", "orders per second"),
    "decision": ("até a decisão, p50 e p99", "to decision, p50 and p99"),
    "reserved": ("reservados", "reserved"),
    "sold": ("vendidos", "sold"),
    "refused": ("recusados por falta", "refused: sold out"),
    "lapsed": ("vencidos", "lapsed"),
    "cancelled": ("cancelados", "cancelled"),
    "retried": ("chamadas repetidas", "calls retried"),
    "pods": ("pods (agora/máximo)", "pods (now/max)"),
    "account": ("As contas", "The account"),
    "account.orders": ("pedidos", "orders"),
    "account.sold": ("unidades vendidas", "units sold"),
    "account.in_orders": ("em {n} pedidos", "in {n} orders"),
    "account.refused": ("pedidos recusados por falta de estoque", "orders refused: sold out"),
    "account.lapsed": ("reservas vencidas, canceladas", "reservations lapsed, cancelled"),
    "account.lapsed_value": ("{lapsed} vencidas, {cancelled} canceladas", "{lapsed} lapsed, {cancelled} cancelled"),
    "account.resold": ("unidades liberadas, vendidas a outros", "units freed, sold to others"),
    "account.resold_value": ("{freed} liberadas, {resold} revendidas", "{freed} freed, {resold} sold again"),
    "account.late": ("pagos depois de vencidos", "paid after lapsing"),
    "account.late_value": ("{sold} vendidos, {late} tarde demais", "{sold} sold, {late} too late"),
    "account.twice": ("pagos duas vezes com a mesma chave", "paid twice with the same key"),
    "account.twice_value": ("{n}, cobrados uma vez", "{n}, charged once"),
    "account.retried": ("chamadas repetidas pelo cliente", "calls retried by the client"),
    "account.killed": ("{part} morto, de volta em", "{part} killed, back in"),
    "account.restarted": ("{part} reiniciado, de volta em", "{part} restarted, back in"),
    "account.oversold": ("unidades vendidas além do estoque", "units oversold"),
    "account.lost": ("pedidos perdidos", "orders lost"),
    "account.doubled": ("pedidos em dobro", "duplicate orders"),
    "account.gave_up": ("clientes sem resposta", "shoppers without an answer"),
    "account.conferir": ("conferir --at-rest", "conferir --at-rest"),
    "held": ("Tudo certo.", "All checks passed."),
    "broken": ("Há falhas:", "Some checks failed:"),
    "no_skus": (
        "Não há SKUs {prefix}… à venda neste gateway. Com KUBECONFIG a demonstração os declara; sem ele, execute:\n"
        "  python -m demo --manifest | kubectl apply -f -",
        "No SKUs {prefix}… on sale at this gateway. With KUBECONFIG the demonstration declares them; otherwise run:\n"
        "  python -m demo --manifest | kubectl apply -f -",
    ),
    "token": (
        "{error}\nEste gateway exige um token com os escopos pedidos:admin e estoque:ler, em RESERVA_TOKEN.",
        "{error}\nThis gateway requires a token with the scopes pedidos:admin and estoque:ler, in RESERVA_TOKEN.",
    ),
    "interrupted": (
        "interrompida; o que foi parado está sendo iniciado de novo",
        "interrupted; what was stopped is being started again",
    ),
    "left_running": (
        "O sistema local continua no ar, com reservas de {ttl} s; `make up` volta às suas configurações, "
        "`make down` para.",
        "The local system keeps running, with reservations of {ttl} s; `make up` returns to your settings, "
        "`make down` stops it.",
    ),
}


class Texts:
    """The texts of one language, `pt` or `en`."""

    def __init__(self, language: str) -> None:
        self._index = ("pt", "en").index(language)

    def __call__(self, key: str, **values: object) -> str:
        """The text of this key, with its placeholders filled in."""
        return TEXTS[key][self._index].format(**values)
