# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the plan does to traffic: asked of the plan alone, without any host."""

from __future__ import annotations

from ansible_collections.weft.vpc.plugins.plugin_utils.analyse.explain import Answer, RouterAnalysis, Rule
from ansible_collections.weft.vpc.plugins.plugin_utils.analyse.groups import GroupAnalysis

__all__ = ["Answer", "GroupAnalysis", "RouterAnalysis", "Rule"]
