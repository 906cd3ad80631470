"""Engine: an analytic ray caster: shapes, materials, light, camera."""
