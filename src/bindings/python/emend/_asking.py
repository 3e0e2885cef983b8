"""What a model says: texts, next tokens, logits, and the vectors inside."""

from __future__ import annotations

from typing import List, Optional, Sequence

import torch

from ._model_base import ModelBase, Prompt
from ._progress import Progress, Watcher
from .results import Generation, Hidden, NextToken


class Asking(ModelBase):
    """The calls that ask a model."""

    def generate(
        self,
        prompt: str,
        *,
        max_new: int = 20,
        top: int = 0,
        temperature: float = 0.0,
        seed: int = 0,
        form: str = "raw",
        bos: str = "auto",
        token_budget: Optional[int] = None,
        progress: Progress = False,
    ) -> Generation:
        """Continues a prompt by at most ``max_new`` tokens, as ``emend generate`` does; ``str()`` of it is the new text.

        ``temperature`` 0: the likeliest token each time; above 0: drawn with ``seed``. ``form`` "chat": the prompt goes through
        the model's chat template. ``bos``: "auto", "none" or a token. ``top``: how many likeliest next tokens to list.
        """
        options = {
            "bos": bos,
            "form": form,
            "max_new": max_new,
            "temperature": temperature,
            "seed": seed,
            "top": top,
            "token_budget": token_budget,
        }
        with Watcher(progress) as watcher:
            return Generation._of(self._core.generate(prompt, options, watcher))

    def next_tokens(self, prompt: str, k: int = 10, *, form: str = "raw", bos: str = "auto") -> List[NextToken]:
        """The ``k`` likeliest next tokens, likeliest first."""
        found = self.generate(prompt, max_new=1, top=k, form=form, bos=bos)
        return [NextToken(**token) for token in found.top]

    def logits(self, prompt: Prompt, *, form: str = "raw", bos: str = "auto") -> torch.Tensor:
        """Logits of the next token behind each token of the prompt: [T, vocab] float32, on the model's (first) device."""
        return self._core.logits(self._ids(prompt, bos, form))

    def hidden(
        self,
        prompt: Prompt,
        site: str = "block_output",
        layers: Optional[Sequence[int]] = None,
        *,
        form: str = "raw",
        bos: str = "auto",
    ) -> Hidden:
        """Vectors inside a pass over the prompt, at one site of the given layers (None: of all).

        Sites, in the order of a block: "embedding" (the stream that enters block 0), "attn_output", "gate" and "up" (scores of
        the feed-forward layer, [T, d_ff]), "key" (input of its down projection, [T, d_ff]), "mlp_output", "block_output" (the
        residual stream behind the block); all others are [T, d_model]. "token_embedding": the row of the token table.
        """
        ids = self._ids(prompt, bos, form)
        wanted = list(range(self.layers)) if layers is None else list(layers)
        vectors = self._core.hidden(ids, site, wanted)
        return Hidden(ids, self._core.pieces(ids), site, wanted, dict(zip(wanted, vectors)))
