"""Rate limits that no test meets unless it is about them: everybody comes from one address."""

_SETTINGS = ("availability_checks_per_hour", "registrations_per_hour", "logins_per_hour", "failed_logins_per_hour")

RATES = dict.fromkeys(_SETTINGS, 1_000_000_000)
"""By the names of user_service's settings."""

ENVIRONMENT = {f"PARLEY_{setting.upper()}": str(rate) for setting, rate in RATES.items()}
