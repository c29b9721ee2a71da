"""Prometheus metrics of the operator."""

from prometheus_client import Counter, Gauge, Histogram

ITENS = Gauge("operador_stockitems", "StockItems that the operator knows")
ESPERANDO = Gauge("operador_itens_esperando", "StockItems that wait to be synchronised")
LOTE = Histogram("operador_lote_itens", "StockItems in one SQL call", buckets=(1, 2, 5, 10, 25, 50, 100, 250, 500))
STATUS_ESCRITOS = Counter("operador_status_escritos", "Status writes that the API server took")
EVENTOS = Counter("operador_eventos", "Kubernetes Events posted", ["motivo"])
EVENTOS_PERDIDOS = Counter("operador_eventos_perdidos", "Kubernetes Events that could not be posted")
FALTAS = Counter("operador_faltas", "Calls that failed and are tried again", ["alvo"])
RECUSADOS = Counter("operador_itens_recusados", "StockItems that PostgreSQL refused")
VENCIDAS = Counter("operador_reservas_vencidas", "Lapsed reservations swept")
ATRASO = Gauge(
    "operador_expiracao_atraso_seconds",
    "Age of the oldest lapsed reservation that is not swept, at most",
)
ULTIMA_VARREDURA = Gauge(
    "operador_ultima_varredura_timestamp_seconds", "When the last sweep found nothing more to do"
)
SEM_STOCKITEM = Gauge("operador_linhas_sem_stockitem", "Sellable stock rows which no StockItem declares")
RESSINCRONIAS = Counter("operador_ressincronias", "Full resyncs that were completed")
