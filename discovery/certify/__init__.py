"""What a run found, so that anybody can check it: certificates, claims, and the output that the next run improves on."""
