# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one error type that a user of the deploy engine sees."""

from __future__ import annotations


class DeployError(Exception):
    """A whole sentence for the user: what, where, why, what to do."""
