"""The lab in a virtual machine with Debian's stock kernel (`LAB_KERNEL=debian`)."""
