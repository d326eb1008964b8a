# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What all kinds of activation have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Callable, Optional

from ansible_collections.weft.vpc.plugins.module_utils.deploy.daemons import Daemon
from ansible_collections.weft.vpc.plugins.module_utils.deploy.errors import DeployError
from ansible_collections.weft.vpc.plugins.module_utils.deploy.payload import Activation, FileSpec
from ansible_collections.weft.vpc.plugins.module_utils.deploy.scopes import Scope

Key = tuple[str, ...]
Effect = Key
"""What a command brings about, for one activation or for several at once."""
FILES: Effect = ("files",)
"""What is brought about by the files being there."""


@dataclass(frozen=True)
class Work:
    """One thing to do to the live system, and the words for it."""

    text: str
    run: Callable[[], None]


@dataclass
class Batch:
    """Files of one scope that change together, as the activators see them.

    ``new`` maps a path to the wanted file (None: it goes), ``old`` to the content that was there (None: nothing, or a
    link). ``unsure`` are paths whose live effect is not known, because a run that changed them was killed.
    """

    scope: Scope
    simulate: bool
    new: dict[str, Optional[FileSpec]] = field(default_factory=dict)
    old: dict[str, Optional[bytes]] = field(default_factory=dict)
    unsure: set[str] = field(default_factory=set)
    starting: set[str] = field(default_factory=set)
    shared: dict[str, Any] = field(default_factory=dict)

    @property
    def commanded(self) -> bool:
        """False while the machine neither runs nor is started by this run: its boot will do what is to be done."""
        return self.scope.running or self.fresh

    @property
    def fresh(self) -> bool:
        """True if this run starts the machine."""
        return self.scope.spec.unit in self.starting

    def touched(self, paths: Iterable[str]) -> bool:
        """True if one of the paths changes here, or may have."""
        return any(path in self.new or path in self.unsure for path in paths)

    def once(self, key: str) -> bool:
        """True at the first call with this key."""
        if key in self.shared:
            return False
        self.shared[key] = True
        return True

    def text(self, path: str) -> str:
        """The content that a path has after the swap."""
        if path in self.new:
            spec = self.new[path]
            return spec.content if spec is not None else ""
        found = self.scope.tree.look(path)
        return found.text if found is not None else ""

    def old_text(self, path: str) -> str:
        """The content that a path had before the swap."""
        if path in self.new:
            content = self.old.get(path)
            return content.decode(errors="replace") if content is not None else ""
        return self.text(path)


@dataclass
class Step:
    """One activation of a batch, merged from all items that ask for the same."""

    activation: Activation
    files: set[str]
    full: bool = False
    """Bring it about whatever the files' difference: it is new, unhealthy, or a killed run left it in doubt."""


class Activator(ABC):
    """How one kind of activation is checked, brought about, confirmed and taken back."""

    kind: str
    identity: tuple[str, ...] = ()
    """Names of the parameters that say which live object it is."""
    rank = 2
    """Within a part of a change the lower ranks come first: rules (0), then links (1), then all that uses them."""
    shared = False
    """True if the live object is made of the files of several items: ending one item's part is a change of it."""
    outlasts = False
    """True if the live object ends after all others that end in its scope."""
    offline = False
    """True if there is something to do while the machine does not run."""
    remedy: Optional[Daemon] = None
    """Whose restart may help where half of the patience was of no use."""

    def key(self, activation: Activation) -> Key:
        """Two activations with one key concern the same live object."""
        try:
            return (self.kind, *(str(activation[name]) for name in self.identity))
        except KeyError as error:
            raise DeployError(f"An activation of kind {self.kind} lacks {error}.") from error

    def effect(self, activation: Activation) -> Effect:
        """What has begun once something is done for this activation, and must be undone or made again."""
        return self.key(activation)

    def files(self, activation: Activation, owned: Iterable[str]) -> set[str]:
        """Which of the item's files concern this activation."""
        return set(activation.get("files", owned))

    def refusal(self, step: Step, batch: Batch) -> Optional[str]:
        """Why the daemon would not take the new files, which are not in place yet; None if it would."""
        return None

    @abstractmethod
    def plan(self, step: Step, batch: Batch) -> list[Work]:
        """What is to be done, the files being in place (or, in check mode, as if they were)."""

    def unhealthy(self, step: Step, scope: Scope) -> Optional[str]:
        """Why the live object is not as it should be, in a sentence; None if it is."""
        return None

    def unconfirmed(self, step: Step, scope: Scope) -> Optional[str]:
        """Like unhealthy, but exact whatever it costs: it is asked after a change."""
        return self.unhealthy(step, scope)

    def hopeless(self, step: Step, scope: Scope) -> bool:
        """True if waiting is of no use: it has failed."""
        return False

    def patience(self) -> float:
        """Seconds within which it must have become healthy."""
        return 0.0

    def last_words(self, step: Step, scope: Scope) -> str:
        """What the live object itself says of its trouble, for an error."""
        return ""

    def taken(self, step: Step, scope: Scope) -> Optional[str]:
        """Why a new activation would take over something that is not ours; None if it would not."""
        return None

    def remove(self, step: Step, batch: Batch) -> list[Work]:
        """What ends the live object, before its files go."""
        return []

    def removed(self, step: Step, batch: Batch) -> list[Work]:
        """What remains to be done once the files are gone."""
        return []
