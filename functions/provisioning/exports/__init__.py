"""The export of a tenant: a dump by pg_dump in an object, and a manifest of it beside it.

Everything that a job makes for it, a login, a secret and objects, has a name of that job alone. So a removal touches
nothing of another job, whatever control plane and register say.
"""
