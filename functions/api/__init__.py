"""The HTTP API: what operators and the platform's back end ask for, behind API Gateway with IAM authorization."""
