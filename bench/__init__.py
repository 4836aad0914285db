"""What provisioning costs, measured side by side on one server in one run."""
