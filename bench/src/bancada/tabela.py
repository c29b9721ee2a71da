"""The tables of a run, in Markdown. Pure."""

from collections.abc import Sequence
from typing import Any

from bancada.estatistica import Resumo, resumir
from bancada.metas import Meta, avaliar

_CENARIOS = ("scenario", "orders/s", "minimum", "baseline", "ratio", "minimum", "p50 ms", "p99 ms", "rounds")
_METAS = ("figure to reach", "median", "minimum", "maximum", "goal", "")


def tabelas(medidas: Sequence[dict[str, Any]]) -> str:
    """A row a scenario: medians over its rounds, and minima where more is better. Then a row a figure to reach."""
    nomes = list(dict.fromkeys(medida["cenario"] for medida in medidas))
    linhas = [_linha(nome, [medida for medida in medidas if medida["cenario"] == nome]) for nome in nomes]
    rodadas: dict[int, dict[str, Any]] = {}
    for medida in medidas:
        rodadas.setdefault(medida["rodada"], {})[medida["cenario"]] = medida
    metas = [_meta(meta, resumo) for meta, resumo in avaliar(list(rodadas.values()))]
    todas = ((_CENARIOS, linhas), (_METAS, metas))
    return "\n\n".join(em_markdown([cabecalho, *corpo]) for cabecalho, corpo in todas if corpo)


def _linha(nome: str, medidas: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    taxas = resumir([medida["por_segundo"] for medida in medidas])
    sobre = ("", "", "")
    if "baseline" in medidas[0]:
        base = resumir([medida["baseline"]["por_segundo"] for medida in medidas])
        razao = resumir([medida["por_segundo"] / medida["baseline"]["por_segundo"] for medida in medidas])
        sobre = (f"{base.mediana:,.0f}", f"{razao.mediana:.2f}", f"{razao.minimo:.2f}")
    latencias = ("", "")
    if "cliente" in medidas[0]:
        p50, p99 = (resumir([medida["cliente"][qual] for medida in medidas]).mediana for qual in ("p50", "p99"))
        latencias = (f"{p50:.1f}", f"{p99:.1f}")
    return (nome, f"{taxas.mediana:,.0f}", f"{taxas.minimo:,.0f}", *sobre, *latencias, str(taxas.rodadas))


def _meta(meta: Meta, resumo: Resumo) -> tuple[str, ...]:
    limite = f"{'≥' if meta.ao_menos else '≤'} {meta.limite:g}"
    valores = [f"{valor:,.2f}" for valor in (resumo.mediana, resumo.minimo, resumo.maximo)]
    return (meta.nome, *valores, limite, "reached" if meta.cumprida(resumo) else "missed")


def em_markdown(linhas: Sequence[Sequence[str]]) -> str:
    """The first row is the heading; the first column is text, the others are numbers."""
    larguras = [max(len(celula) for celula in coluna) for coluna in zip(*linhas, strict=True)]
    textos = ["| " + " | ".join(map(_alinhar, linha, larguras, range(len(linha)))) + " |" for linha in linhas]
    regua = "|" + "|".join("-" * (w + 1) + (":" if n else "-") for n, w in enumerate(larguras)) + "|"
    return "\n".join([textos[0], regua, *textos[1:]])


def _alinhar(celula: str, largura: int, coluna: int) -> str:
    return celula.rjust(largura) if coluna else celula.ljust(largura)
