"""What every service's process needs and none owns. Imports no service and no contract."""
