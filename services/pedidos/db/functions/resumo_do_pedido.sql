-- Stored with each change, so that an event stream delivers every version of an order, including superseded ones.
create or replace function resumo_do_pedido(p_pedido pedido) returns jsonb
language sql stable as $$
    select jsonb_build_object(
        'pedidoId', p_pedido.id,
        'clienteId', p_pedido.cliente_id,
        'status', p_pedido.status,
        'versao', p_pedido.versao,
        'atualizadoEm', p_pedido.atualizado_em,
        'expiraEm', p_pedido.expira_em
    );
$$;

comment on function resumo_do_pedido is 'an order as event streams report it';
