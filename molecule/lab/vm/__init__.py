"""The lab in a machine of its own, with a kernel of Debian's (`LAB_KERNEL=debian`)."""
