"""The twelve steps of the walkthrough as checks on a running lab, for the demo, Molecule and the packet tests."""
