pytest_plugins = ["opsproof.plugin"]
