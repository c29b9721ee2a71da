"""The system on k8s/production: real operators on a kind cluster, faults, and their effect on customers."""
