"""What Parley is measured beside: bare fan-out servers, and ejabberd for durable rooms."""
