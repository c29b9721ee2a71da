"""All texts of the program, in Portuguese and English. Pure."""

from collections.abc import Mapping

TEXTS: Mapping[str, tuple[str, str]] = {
    # The program
    "program": (
        "ReservaEstoque: pedidos, estoque e estado do sistema.\n\nMostra tabelas em um terminal; fora dele, uma "
        "linha de JSON por resultado. Os códigos de saída estão em docs/client.md.",
        "ReservaEstoque: orders, stock and the state of the system.\n\nPrints tables on a terminal, otherwise one "
        "line of JSON per result. Exit codes are listed in docs/client.md.",
    ),
    "usage": ("Uso:", "Usage:"),
    "subcommand": ("COMANDO [PALAVRAS]...", "COMMAND [WORDS]..."),
    "options": ("Opções", "Options"),
    "common": ("Opções comuns", "Common options"),
    "commands": ("Comandos", "Commands"),
    "try": ("Veja '{command} --help'.", "See '{command} --help'."),
    "error": ("erro", "error"),
    "help.help": ("Mostra esta ajuda.", "Show this help."),
    "help.version": ("Mostra a versão.", "Show the version."),
    "help.url": (
        "Endereço do gateway [RESERVA_URL; {default}].",
        "Address of the gateway [RESERVA_URL; {default}].",
    ),
    "help.token_file": (
        "Arquivo com o token, relido a cada chamada [RESERVA_TOKEN_FILE; ou o token em RESERVA_TOKEN].",
        "File with the token, reread for each call [RESERVA_TOKEN_FILE; or the token in RESERVA_TOKEN].",
    ),
    "help.json": (
        "Uma linha de JSON por resultado (o padrão quando a saída não é um terminal).",
        "One line of JSON per result (the default when the output is not a terminal).",
    ),
    "help.table": (
        "Tabelas, mesmo quando a saída não é um terminal.",
        "Tables, even when the output is not a terminal.",
    ),
    "help.language": ("Idioma: pt ou en [LC_ALL, LANG].", "Language: pt or en [LC_ALL, LANG]."),
    "help.deadline": (
        "Tempo máximo de uma chamada em segundos, com todas as tentativas [30].",
        "Time limit of a call in seconds, including all attempts [30].",
    ),
    "help.verbose": (
        "Mostra as tentativas que falharam e serão repetidas.",
        "Report failed attempts that will be retried.",
    ),
    "help.customer": (
        "O cliente [RESERVA_CLIENTE; por padrão, o do token].",
        "The customer [RESERVA_CLIENTE; by default the token's].",
    ),
    "help.wait": (
        "Espera a decisão até N segundos, de 1 a 30 ({default} sem número).",
        "Wait up to N seconds, 1 to 30, for the outcome ({default} without a number).",
    ),
    "help.key": (
        "Idempotency-Key: repetir o comando com a mesma chave não tem novo efeito. Por padrão, uma nova é gerada.",
        "Idempotency-Key: repeating the command with the same key has no further effect. By default a new "
        "key is generated.",
    ),
    # Commands
    "pedir.help": (
        "Faz um pedido: tudo ou nada.\n\n"
        "SKU=N: quantas unidades de cada SKU, como em CAMISETA-AZUL-M=2 CAFE-ESPECIAL-250G=1.",
        "Place an order: all or nothing.\n\n"
        "SKU=N: how many units of each SKU, as in CAMISETA-AZUL-M=2 CAFE-ESPECIAL-250G=1.",
    ),
    "fechar.help": (
        "Fecha pedidos: as unidades são vendidas.",
        "Close orders: their units are sold.",
    ),
    "cancelar.help": (
        "Cancela pedidos: as unidades ficam livres.",
        "Cancel orders: their units are available again.",
    ),
    "renovar.help": (
        "Renova reservas vencidas, com nova consulta ao estoque.",
        "Renew lapsed reservations, with a new stock check.",
    ),
    "pedido.help": ("Mostra pedidos.", "Show orders."),
    "pedidos.help": ("Lista pedidos, os mais novos primeiro.", "List orders, newest first."),
    "pedidos.status": ("Apenas os que têm este status.", "Only those with this status."),
    "pedidos.limit": ("Quantos, no máximo [20].", "The maximum number [20]."),
    "pedidos.all": ("De todos os clientes.", "Of all customers."),
    "seguir.help": (
        "Segue um pedido até o fim ou, sem PEDIDO, todos os de um cliente.\n\n"
        "Reconecta automaticamente e continua de onde parou; Ctrl-C encerra.",
        "Follow an order to its end or, without PEDIDO, all orders of a customer.\n\n"
        "Reconnects automatically and resumes where it stopped; Ctrl-C ends it.",
    ),
    "seguir.position": (
        "Continua depois desta posição (Last-Event-ID).",
        "Resume after this position (Last-Event-ID).",
    ),
    "estoque.help": (
        "Mostra os saldos destes SKUs ou de todos.",
        "Show the balances of these SKUs, or of all.",
    ),
    "estoque.watch": (
        "Continua mostrando as mudanças; Ctrl-C encerra.",
        "Keep showing changes; Ctrl-C ends it.",
    ),
    "status.help": (
        "Mostra o estado das partes do sistema que respondem.",
        "Show the state of the reachable parts of the system.",
    ),
    "cartas.help": (
        "Mostra as cartas mortas.\n\nCom AMQP_URL e os programas do sistema instalados, VERBO age sobre elas: "
        "list, show, "
        "replay, discard (docs/operations.md). Sem isso, mostra quantas são.",
        "Show the dead letters.\n\nWith AMQP_URL and the system's programs installed, VERBO acts on them: list, "
        "show, "
        "replay, discard (docs/operations.md). Otherwise it shows how many there are.",
    ),
    "conferir.help": (
        "Mostra o que o auditor encontrou até agora.\n\nSai com 1 se houve violações, com 12 se não se sabe.",
        "Show what the auditor has found so far.\n\nExits with 1 if there were violations, with 12 if unknown.",
    ),
    "completar.help": (
        'Imprime o script que ativa o autocompletar: eval "$(reserva completar bash)".',
        'Print the script that enables shell completion: eval "$(reserva completar bash)".',
    ),
    # Bad input
    "bad.item": (
        "{text!r}: escreva SKU=QUANTIDADE, por exemplo CAMISETA-AZUL-M=2",
        "{text!r}: write SKU=QUANTITY, for example CAMISETA-AZUL-M=2",
    ),
    "bad.sku": (
        "{text!r}: um SKU tem de 1 a 64 letras, algarismos, '.', '_' e '-', e começa com letra ou algarismo",
        "{text!r}: a SKU has 1 to 64 letters, digits, '.', '_' and '-', and begins with a letter or a digit",
    ),
    "bad.quantity": (
        "{text!r}: a quantidade é um número inteiro de 1 a 1000000",
        "{text!r}: the quantity is a whole number from 1 to 1000000",
    ),
    "bad.order": (
        "{text!r} não é o id de um pedido, que se parece com 019ab3f2-7c00-7000-8000-0000000000a1",
        "{text!r} is not the id of an order, which looks like 019ab3f2-7c00-7000-8000-0000000000a1",
    ),
    "bad.wait": (
        "{text!r}: um número inteiro de segundos, de 1 a 30",
        "{text!r}: a whole number of seconds, from 1 to 30",
    ),
    "bad.key": (
        "{text!r}: uma chave tem de 1 a 128 caracteres ASCII imprimíveis",
        "{text!r}: a key has 1 to 128 printable ASCII characters",
    ),
    "bad.encoding": ("{word} não é texto em UTF-8", "{word} is not UTF-8 text"),
    "bad.number": ("{text!r}: um número inteiro a partir de 1", "{text!r}: a whole number of 1 or more"),
    "bad.choice": ("{text!r}: um destes: {choices}", "{text!r}: one of {choices}"),
    "bad.url": (
        "{text!r} não é um endereço: escreva http://HOST:PORTA ou https://HOST",
        "{text!r} is not an address: write http://HOST:PORT or https://HOST",
    ),
    "bad.token_file": ("não foi possível ler {path}: {why}", "{path} cannot be read: {why}"),
    "bad.token": (
        "o token de {origin} tem caracteres inválidos",
        "the token from {origin} has invalid characters",
    ),
    "bad.option": ("a opção {name} não existe{hint}", "there is no option {name}{hint}"),
    "bad.command": ("o comando {name!r} não existe{hint}", "there is no command {name!r}{hint}"),
    "bad.hint": ("; seria {possible}?", "; did you mean {possible}?"),
    "bad.missing": ("falta {name}", "{name} is missing"),
    "bad.extra": ("argumentos demais: {words}", "too many arguments: {words}"),
    "bad.value": ("a opção {name} requer um valor", "the option {name} needs a value"),
    "bad.no_value": ("a opção {name} não aceita valor", "the option {name} takes no value"),
    "need.customer": (
        "falta o cliente: --cliente NOME ou RESERVA_CLIENTE",
        "no customer: use --cliente NAME or RESERVA_CLIENTE",
    ),
    "need.order_or_customer": (
        "falta o pedido ou o cliente: PEDIDO, --cliente NOME ou --todos",
        "no order or customer: use PEDIDO, --cliente NAME or --todos",
    ),
    # What went wrong
    "unreachable": ("{url} não responde ({why})", "{url} cannot be reached ({why})"),
    "hint.unreachable": (
        "O sistema está no ar? O endereço vem de --url ou RESERVA_URL; `make up` inicia um nesta máquina.",
        "Is the system up? The address comes from --url or RESERVA_URL; `make up` starts one on this machine.",
    ),
    "hint.maybe": (
        "Não se sabe se o comando foi executado; para repeti-lo sem risco: --chave {chave}",
        "It is unknown whether the command was executed; to repeat it safely: --chave {chave}",
    ),
    "hint.token": (
        "Forneça um token: --arquivo-do-token, RESERVA_TOKEN_FILE ou RESERVA_TOKEN.",
        "Provide a token: --arquivo-do-token, RESERVA_TOKEN_FILE or RESERVA_TOKEN.",
    ),
    "hint.position": (
        "Leia a lista de novo e siga sem --desde.",
        "Read the list again and follow without --desde.",
    ),
    "interrupted": ("interrompido", "interrupted"),
    # Tables
    "column.order": ("PEDIDO", "ORDER"),
    "column.customer": ("CLIENTE", "CUSTOMER"),
    "column.status": ("STATUS", "STATUS"),
    "column.items": ("ITENS", "ITEMS"),
    "column.updated": ("ATUALIZADO", "UPDATED"),
    "column.expires": ("VENCE EM", "LAPSES IN"),
    "column.sku": ("SKU", "SKU"),
    "column.name": ("NOME", "NAME"),
    "column.asked": ("SOLICITADO", "REQUESTED"),
    "column.available": ("DISPONÍVEL", "AVAILABLE"),
    "column.lacking": ("FALTAM", "MISSING"),
    "column.reason": ("MOTIVO", "REASON"),
    "column.reserved": ("RESERVADO", "RESERVED"),
    "column.sold": ("VENDIDO", "SOLD"),
    "column.supply": ("QUANTIDADE", "SUPPLY"),
    "column.part": ("PARTE", "PART"),
    "column.replicas": ("RÉPLICAS", "REPLICAS"),
    "column.queue": ("FILA", "QUEUE"),
    "column.letters": ("CARTAS", "LETTERS"),
    "lacking.title": ("O que faltou; nada foi reservado", "Missing items; nothing was reserved"),
    "order.lapses": ("vence em {left}", "lapses in {left}"),
    "order.none": ("nenhum pedido", "no orders"),
    "stock.more": (
        "mais {count} SKUs; aparecem os que mudaram por último",
        "{count} more SKUs; the last to change are shown",
    ),
    "stock.none": ("nenhum SKU", "no SKUs"),
    "stock.unknown": ("SKU desconhecido: {skus}", "unknown SKU: {skus}"),
    "stock.legend": (
        "[green]▇[/] vendido  [yellow]▇[/] reservado  [cyan]▇[/] disponível",
        "[green]▇[/] sold  [yellow]▇[/] reserved  [cyan]▇[/] available",
    ),
    "motivo.SaldoInsuficiente": ("saldo insuficiente", "not enough units"),
    "motivo.SkuDesconhecido": ("SKU desconhecido", "unknown SKU"),
    "motivo.ItemPausado": ("não está à venda agora", "not on sale now"),
    # The system
    "system.unknown": ("não se sabe", "unknown"),
    "system.no_panel": (
        "O painel não responde em {url} ({why}): só aparece o que o gateway alcança.",
        "No panel at {url} ({why}): showing only what the gateway reaches.",
    ),
    "system.up": ("no ar", "up"),
    "system.down": ("parada", "down"),
    "system.orders": ("pedidos por segundo", "orders per second"),
    "system.decision": ("tempo até a decisão (p50, p99)", "time to decision (p50, p99)"),
    "system.lapsing": ("reservas por vencer", "reservations about to lapse"),
    "system.outbox": (
        "outbox de {name} (eventos, idade do mais antigo)",
        "outbox of {name} (events, age of the oldest)",
    ),
    "system.letters": ("cartas mortas em {name}", "dead letters in {name}"),
    "system.violations": ("violações", "violations"),
    "letters.unknown": (
        "Não se sabe quantas cartas há: sem AMQP_URL, e o painel não informa ({why}).",
        "The number of dead letters is unknown: no AMQP_URL, and no figure from the panel ({why}).",
    ),
    "letters.need_amqp": (
        "{verb} precisa de AMQP_URL e dos programas do sistema nesta máquina",
        "{verb} needs AMQP_URL and the system's programs on this machine",
    ),
    "audit.good": ("nenhuma violação; última conferência {last}", "no violations; last audit {last}"),
    "audit.bad": ("{violations} violações; última conferência {last}", "{violations} violations; last audit {last}"),
    "audit.unknown": (
        "Não se sabe: {why}. No sistema local, `make conferir` confere agora.",
        "Unknown: {why}. On the local system, `make conferir` audits now.",
    ),
    "audit.no_numbers": ("o painel não tem dados do auditor", "the panel has no data from the auditor"),
}
