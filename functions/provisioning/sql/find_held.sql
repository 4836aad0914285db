SELECT current_setting('provisioner.held')::boolean AS held;
