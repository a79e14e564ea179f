"""The rights of opsproof on a host: files for sudo, sshd, PostgreSQL and Redis, and the commands that install them."""
