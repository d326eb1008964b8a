# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Variables come to the plan as Ansible means them: templates filled in, what Vault encrypted decrypted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ansible.parsing.vault import VaultLib, VaultSecret

from ansible_collections.weft.vpc.plugins.plugin_utils.plan import store
from ansible_collections.weft.vpc.plugins.plugin_utils.planning import intent_digest
from ansible_collections.weft.vpc.tests.tools.intents import ROOT

PASSWORD = b"open sesame"
VARIABLES = """
site: shanghai
weft_fabric:
  name: "{{{{ site }}}}"
  dns_domain: !vault |
{encrypted}
weft_tenants:
  - name: "{{% if site == 'shanghai' %}}blue{{% else %}}red{{% endif %}}"
"""


def test_templates_and_vault(tmp_path: Path) -> None:
    secret = VaultSecret(PASSWORD)
    encrypted = VaultLib().encrypt("cloud.internal", secret).decode()
    indented = "".join(f"    {line}\n" for line in encrypted.splitlines())
    folder = tmp_path / "group_vars"
    folder.mkdir()
    (folder / "all.yml").write_text(VARIABLES.format(encrypted=indented))
    (tmp_path / "hosts").write_text("hv1\n")
    (tmp_path / "password").write_bytes(PASSWORD)
    plan = tmp_path / "weft.plan"
    words = ["-i", str(tmp_path / "hosts"), "weft.vpc.plan", "-e", f"weft_plan_file={plan}"]
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            *words,
            "--vault-password-file",
            tmp_path / "password",
        ],
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/collections")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    meant = {
        "weft_fabric": {"name": "shanghai", "dns_domain": "cloud.internal"},
        "weft_tenants": [{"name": "blue"}],
    }
    assert store.load_header(plan)["intent"] == intent_digest(meant)
