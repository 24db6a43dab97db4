"""What Prometheus is told. Of the filter: of the generation that user_service asks."""

from prometheus_client import Counter, Gauge

MEMBERS = Gauge("parley_bloom_members", "Digests in the filter, deleted ones included")
DELETED_SHARE = Gauge("parley_bloom_deleted_share", "The share of its members whose account was deleted, from 0 to 1")
FILL = Gauge("parley_bloom_fill", "How full the filter is: 1 at its capacity")
ERROR_RATE = Gauge("parley_bloom_estimated_error_rate", "The share of unknown digests that are called known")
GENERATION = Gauge("parley_bloom_generation", "The filter's number; 0 while there is none")
READY = Gauge("parley_bloom_ready_generations", "How many there are, one under each key")

LAG = Gauge("parley_bloom_lag_seconds", "How far behind the filter may be; infinite until it has caught up once")
BEHIND = Gauge("parley_bloom_behind", "1 while the filter may not answer")

REBUILDING = Gauge("parley_bloom_rebuilding", "1 while a generation is being made")
REBUILD_ACCOUNTS = Gauge("parley_bloom_rebuild_accounts", "Accounts that the generation being made has read so far")
REBUILDS = Counter("parley_bloom_rebuilds", "Generations that were begun", ["reason"])
