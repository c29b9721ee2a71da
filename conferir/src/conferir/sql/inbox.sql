-- estoque's answers to these events, of the orders $2. The creation of an order that was reserved without a decision is
-- recorded in the order itself, and was not refused.
select distinct on (evento_id) evento_id, recusa
from (
    select evento_id, recusa from inbox where evento_id = any ($1::uuid[])
    union all
    select criacao, null from pedido where id = any ($2::uuid[]) and criacao = any ($1)
) a
order by evento_id, recusa nulls first
