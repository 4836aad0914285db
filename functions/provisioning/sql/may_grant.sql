-- Whether the admin may grant the role to others.
SELECT EXISTS (
    SELECT FROM pg_auth_members JOIN pg_roles AS granted ON granted.oid = roleid
    WHERE granted.rolname = %(role)s AND member = to_regrole(quote_ident(%(admin)s)) AND admin_option
);
