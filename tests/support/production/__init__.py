"""The system on k8s/production: real operators on a kind cluster, faults, and what customers saw of them."""
