-- The most expensive statements since the last reset, one JSON object per line.
select json_build_object(
    'statement', left(regexp_replace(s.query, '\s+', ' ', 'g'), 200), 'calls', s.calls, 'ms', s.total_exec_time,
    'planning_ms', s.total_plan_time
)
from pg_stat_statements s
join pg_database d on d.oid = s.dbid and d.datname = current_database()
where s.calls > 0
order by s.total_exec_time + s.total_plan_time desc
limit 12;
