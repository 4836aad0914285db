"""What is wrong with a cluster, each as a fact and what mends it: for provision doctor, and recorded by upkeep."""
