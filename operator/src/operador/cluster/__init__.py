"""The Kubernetes API: the watch, and everything that the operator writes there."""
