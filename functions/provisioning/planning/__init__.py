"""What a job would do: decided and counted beforehand, and compared with what the job claims when it opens."""
