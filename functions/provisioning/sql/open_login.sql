ALTER ROLE {login} LOGIN PASSWORD {verifier};
