UPDATE control_plane.jobs SET result = %(result)s WHERE job_id = %(job_id)s;
