"""The same lifecycle on DBOS, on Celery and on OCA's queue_job, beside ours on real Odoos.

    make bench ONLY=peers QUICK=1

Signed contracts of four milestones become customer, project, confirmed order with its lines,
milestones and tasks; then each milestone is reached, invoiced, and the invoice posted.

| module | |
|---|---|
| `lifecycle` | its steps by odoo-client-lib, as the programs outside Odoo take them |
| `dbos_peer` | the lifecycle as users of DBOS write it |
| `celery_tasks`, `celery_peer` | and as users of Celery do: tasks, and the chain of a contract |
| `addons/peer_contract` | and inside Odoo, as jobs of OCA's queue_job |
| `nothings` | our engine with activities that do nothing |
| `serving`, `hosting` | a program of these, and the process it runs in |
| `outside_peers`, `queue_job_peer` | how each is started, and asked |
| `environment`, `redis` | what they need, built once in the cache; a server for Celery |
| `comparison` | the benchmark: concurrency, interleaved rounds, result lines |

**What is done for the peers.** Each runs with the number of contracts at once that suited it best
in a trial before the rounds. Their PostgreSQL does not wait for the disk, nor does Redis, as our
Temporal on SQLite does not at each step. Programs are started and have run one contract before the
clock runs, and no other's program runs meanwhile. Inside Odoo a contract is provisioned in one job
and one transaction, and each milestone billed in one, as users of queue_job would: that is five
jobs where the others take eighteen steps.

**What is asked of ours beyond it.** To check the contract, to quote the tax and to compare it
before posting, an approval (by rule), and the mail of each posted invoice with its PDF, which
Odoo works on while other contracts wait. The clock stops when the last invoice is posted.

**What all have in common.** The contracts; Odoo's version, template and number of processes
(queue_job may choose its own, for they run its jobs); and the records that are made, counted in
Odoo's database after each round: none missing, none twice. DBOS, Celery and ours share one Odoo;
queue_job's has its addons, and is another.
"""
