-- The statements that took most time since the last reset, one a line as JSON, on one line each.
select json_build_object(
    'instrucao', left(regexp_replace(s.query, '\s+', ' ', 'g'), 200), 'chamadas', s.calls, 'ms', s.total_exec_time,
    'ms_de_plano', s.total_plan_time
)
from pg_stat_statements s
join pg_database d on d.oid = s.dbid and d.datname = current_database()
where s.calls > 0
order by s.total_exec_time + s.total_plan_time desc
limit 12;
