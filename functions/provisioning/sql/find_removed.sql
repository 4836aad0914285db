SELECT removed
FROM control_plane.audit_log, jsonb_array_elements_text(details -> 'removed') AS removed
WHERE job_id = %(job_id)s AND action = 'compensated'
ORDER BY id;
