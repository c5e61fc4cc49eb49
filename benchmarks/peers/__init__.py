"""The same lifecycle on DBOS, on Celery and on OCA's queue_job, beside ours on one Odoo.

    python -m benchmarks --only peers     # or: make bench ONLY=peers QUICK=1

Signed contracts of four milestones become customer, project, confirmed order with lines, milestones
and tasks; then each milestone is reached, invoiced, and the invoice posted.

| module | |
|---|---|
| `lifecycle` | the contract, and its steps by odoo-client-lib, as both programs outside Odoo take them |
| `dbos_peer`, `celery_peer` | the lifecycle as users of DBOS and of Celery write it |
| `addons/peer_contract`, `queue_job_peer` | the lifecycle inside Odoo, as jobs of OCA's queue_job |
| `serving`, `hosting` | a peer's program, and the process it runs in |
| `environment`, `redis` | what the peers need, built once in the cache, and where they keep their state |
| `nothings` | our engine with activities that do nothing |
| `ours` | the product: its real worker process on a real Temporal |
| `comparison` | the benchmark: concurrency, interleaved rounds, result lines |

**What is done for the peers.** Each runs with the number of contracts at once that suited it best
in a trial before the rounds. Their PostgreSQL does not wait for the disk, nor does Redis, as our
Temporal on SQLite does not wait for each commit either. Programs are started and warm before the
clock runs, and nobody else's runs meanwhile. Inside Odoo a contract is provisioned in one job, in
one transaction and without a single call from outside, as users of queue_job do; its
retries and repeats are the peers' own, with a search before each creation outside Odoo.

**What is asked of ours beyond it.** Checking the contract, a quote of the tax, an approval (by rule),
and the invoice's mail with its PDF, which Odoo works on while later invoices are waiting.
"""
