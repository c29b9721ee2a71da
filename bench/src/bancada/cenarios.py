"""The table of scenarios."""

from collections.abc import Iterator, Mapping, Sequence

from bancada import crescimento, ponta_a_ponta, so_estoque, vencimento
from bancada.distribuicao import DISTRIBUICOES
from bancada.loja import BancadaError
from bancada.plano import Cenario
from bancada.ponta_a_ponta import POUCAS
from bancada.so_estoque import RECUSADOS

REPLICAS = (1, 2, 4)


def _todos() -> Iterator[Cenario]:
    for distribuicao in DISTRIBUICOES:
        for itens in (1, 3):
            yield from _de_uma_distribuicao(distribuicao, itens)
    yield Cenario("repouso", ponta_a_ponta.em_repouso)
    for quantas in REPLICAS:
        yield Cenario(f"e2e-replicas-{quantas}", ponta_a_ponta.com_replicas(quantas))
        yield Cenario(f"estoque-replicas-{quantas}", so_estoque.decidir("quente", 3, estoques=quantas))
    yield Cenario("e2e-recusas", ponta_a_ponta.saturado("quente", 3, do_quente=POUCAS))
    yield Cenario("estoque-recusas", so_estoque.decidir("quente", 3, do_quente=POUCAS, quantos=RECUSADOS))
    yield Cenario("vencimento", vencimento.todas_de_uma_vez)
    yield Cenario("vencidas", vencimento.nunca_varridas)
    for nome, todos in (("crescido", False), ("crescido-todos-os-skus", True)):
        medir = crescimento.saturado(todos_os_skus=todos)
        yield Cenario(nome, medir, "uniforme_3", ao_fim=crescimento.conferir)


def _de_uma_distribuicao(distribuicao: str, itens: int) -> Iterator[Cenario]:
    baseline = f"{'quente' if distribuicao == 'quente' else 'uniforme'}_{itens}"
    nome = f"{distribuicao}-{itens}"
    yield Cenario(f"e2e-{nome}", ponta_a_ponta.saturado(distribuicao, itens), baseline)
    yield Cenario(f"aceite-{nome}", ponta_a_ponta.saturado(distribuicao, itens, espera=False), baseline)
    yield Cenario(f"metade-{nome}", ponta_a_ponta.metade(distribuicao, itens))
    yield Cenario(f"estoque-{nome}", so_estoque.decidir(distribuicao, itens), baseline)


CENARIOS: Mapping[str, Cenario] = {cenario.nome: cenario for cenario in _todos()}

_RAPIDO = ("e2e-uniforme-3", "e2e-quente-3", "estoque-uniforme-3", "estoque-quente-3", "repouso")
_PADRAO = (
    *_RAPIDO,
    *("metade-uniforme-3", "metade-quente-3"),
    *("e2e-uniforme-1", "e2e-quente-1", "e2e-zipf-1", "e2e-zipf-3"),
    *(f"{o_que}-replicas-{quantas}" for o_que in ("e2e", "estoque") for quantas in REPLICAS),
    *("e2e-recusas", "estoque-recusas"),
)
GRUPOS: Mapping[str, Sequence[str]] = {
    "rapido": _RAPIDO,
    "padrao": _PADRAO,
    "longo": ("e2e-uniforme-3", "e2e-quente-3", "vencimento", "vencidas", "crescido", "crescido-todos-os-skus"),
    "todos": tuple(CENARIOS),
}
"""Names for many: quick, the usual, those that take long (with what they are compared with), all."""


def escolher(texto: str) -> list[Cenario]:
    """Scenarios and groups by name with commas between, each once. Raises BancadaError for any other name."""
    nomes = [nome for palavra in texto.split(",") for nome in GRUPOS.get(palavra, (palavra,))]
    for nome in nomes:
        if nome not in CENARIOS:
            raise BancadaError(f"there is no scenario {nome!r}; there are {', '.join([*GRUPOS, *CENARIOS])}")
    return [CENARIOS[nome] for nome in dict.fromkeys(nomes)]
