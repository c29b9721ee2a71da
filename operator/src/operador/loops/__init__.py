"""The loops that connect the cluster with the stock."""
