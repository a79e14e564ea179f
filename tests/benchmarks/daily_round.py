"""The whole daily round against the runbook's daily health check, on the same host."""

from bench import Bench
from measure import ENVIRONMENT, Row, Spent, alternate, medians, row, spend

RUNBOOK = r"""
echo "=== Daily Health Check - $(date) ==="
echo -e "\n1. PM2 Process Status:"
pm2 list
echo -e "\n2. Recent Errors:"
error_count=$(grep "\"level\":\"ERROR\"" $LOGS/api-out.log 2>/dev/null | wc -l)
echo "API Errors: $error_count"
worker_errors=$(grep "\"level\":\"ERROR\"" $LOGS/worker-out.log 2>/dev/null | wc -l)
echo "Worker Errors: $worker_errors"
echo -e "\n3. Infrastructure Health:"
health_status=$(curl -s $API/health | grep "healthy" || echo "UNHEALTHY")
echo "API Health: $health_status"
echo -e "\n4. Disk Space:"
df -h $LOGS/ | tail -1
echo -e "\n5. Process Restart Counts:"
pm2 list | grep -E "restart|meta-chat"
echo -e "\n=== Health Check Complete ==="
"""
"""The runbook's script with the lab's paths, without sudo and docker, unused by the lab."""


def daily_round(bench: Bench) -> list[Row]:
    """Wall time and processor time in seconds, of our process with its HTML report and of a bash."""
    sides = alternate(bench.runs, bench.daily, lambda: _runbook(bench))
    wall, cpu = medians(lambda each: each.wall_s, *sides), medians(lambda each: each.cpu_s, *sides)
    return [
        row("daily round / the runbook's health check, wall time", wall, "s", goal=1.5),
        row("daily round / the runbook's health check, processor time", cpu, "s"),
    ]


def _runbook(bench: Bench) -> Spent:
    places = {"LOGS": str(bench.lab.layout.logs), "API": bench.lab.url}
    return spend(["bash", "-c", RUNBOOK], environment={**ENVIRONMENT, **bench.lab.env, **places})
