"""The control plane's database: connection, records, locks, queries and migrations."""

from provisioning.control_plane.connection import BEGIN, COMMIT, QUERIES, ControlPlane, connect, kept_or_new
from provisioning.control_plane.records import Cluster, Identity, Project

__all__ = ["BEGIN", "COMMIT", "QUERIES", "Cluster", "ControlPlane", "Identity", "Project", "connect", "kept_or_new"]
