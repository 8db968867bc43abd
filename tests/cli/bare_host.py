"""The `cellblock` command on a host that has neither Landlock nor mounts of its own: a filter says so."""

import errno

import pyseccomp
from cellblock_worker.cli import main

if __name__ == "__main__":
    host = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    host.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "landlock_create_ruleset")
    host.add_rule(pyseccomp.ERRNO(errno.EPERM), "unshare")
    host.add_rule(pyseccomp.ERRNO(errno.EPERM), "mount")
    host.load()
    main()
