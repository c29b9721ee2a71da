#!/bin/sh
# Makes restored databases agree, whichever of them is ahead: each learns what the other did last. Run it when both are
# available and unused (docs/production.md, Restore). Repeating it does no harm.
#
#   ns=reserva-estoque instant='2030-01-01 12:00:00+00' sh k8s/restore/agree.sh
set -eu
: "${ns:?the namespace}" "${instant:?what the older of the two was restored to, with its time zone}"
since="timestamptz '$instant' - interval '10 minutes'"

on() { # psql on the primary of a database; reads the script from stdin
    primary=$(kubectl --namespace "$ns" get cluster "$1-db" --output=jsonpath='{.status.currentPrimary}')
    kubectl --namespace "$ns" exec -i "$primary" --container postgres -- \
        psql "$1" --no-psqlrc --quiet --single-transaction --set=ON_ERROR_STOP=1 --file=-
}

told=$(mktemp) # rows of the other database; a pipe would hide a failure to read them
trap 'rm -f "$told"' EXIT
into() { # prints a script: loads $told into a temporary table with these columns, then runs a statement on it
    echo "create temporary table told ($1); copy told from stdin;"
    cat "$told"
    printf '%s\n' '\.' "$2;"
}

# Transaction ids and sequence values of the lost period are assigned again. A client of an event stream that reconnects with
# an id of that period must not find it in the log, or it would miss earlier changes: no row may have such a number.
for database in pedidos estoque; do
    on "$database" <<SQL
select setval(pg_get_serial_sequence('mudanca', 'id'), max(id) + 1000000000) from mudanca \g /dev/null
SQL
done

# Orders that only estoque knows. Their customers are lost; their status arrives with the snapshots published below.
echo "copy (select id, itens from pedido where atualizado_em > $since) to stdout;" | on estoque >"$told"
into "id uuid, itens jsonb" "
    insert into pedido (id, cliente_id, itens)
    select t.id, 'restaurado', (
        select coalesce(json_agg(json_build_object('sku', i.key, 'quantidade', i.value)), '[]')
        from jsonb_each(t.itens) i
    )
    from told t
    on conflict do nothing" | on pedidos

# Orders known only to pedidos that hold no units, and answers known only to pedidos.
echo "copy (
    select p.id, p.status, p.versao, p.itens_em_falta, (
        select json_object_agg(i ->> 'sku', i -> 'quantidade') from json_array_elements(p.itens) i
    )
    from pedido p
    where p.status in ('EstoqueNaoDisponivel', 'ReservaExpirada') and p.atualizado_em > $since
) to stdout;" | on pedidos >"$told"
into "id uuid, status text, versao integer, itens_em_falta jsonb, itens jsonb" "
    insert into pedido (id, status, versao, itens_em_falta, itens)
    select t.id, t.status, t.versao, t.itens_em_falta, t.itens from told t
    on conflict do nothing" | on estoque
echo "copy (
    select id, recusa from comando where respondido_em > $since
    union
    select p.id, null from pedido p
    where p.atualizado_em > $since and p.versao > 0 and not exists (select from comando c where c.id = p.id)
) to stdout;" | on pedidos >"$told"
into "id uuid, recusa text" "
    insert into inbox (evento_id, recusa) select t.id, t.recusa from told t on conflict do nothing" | on estoque

# estoque republishes the status of its last orders.
on estoque <<SQL
insert into outbox (quantos, pedidos, versoes, status, expira_em, itens_em_falta)
select count(*), array_agg(id), array_agg(versao), array_agg(status), array_agg(expira_em), array_agg(itens_em_falta)
from (select *, row_number() over (order by id) / 500 as part from pedido where atualizado_em > $since) p
group by part
order by part;
SQL

# pedidos repeats the commands behind the status of its last orders. If estoque is behind, it executes them again; otherwise it
# refuses them and changes nothing.
on pedidos <<SQL
insert into comando (id, pedido_id, tipo, reenviar_em)
select (left(uuidv7_floor(agora())::text, 19) || right(gen_random_uuid()::text, 17))::uuid, id,
    case status when 'EstoqueReservado' then 'ReservarPedido' when 'Fechado' then 'FecharPedido' else 'CancelarPedido' end,
    agora()
from pedido
where status in ('EstoqueReservado', 'Fechado', 'Cancelado') and atualizado_em > $since;
SQL
