-- From the first time on, not from the sixth: these statements look rows up by their keys, whatever the keys are.
SET plan_cache_mode = force_generic_plan;
