{ "targets": [ { "target_name": "none", "type": "none" } ] }
